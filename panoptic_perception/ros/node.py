# SPDX-License-Identifier: Apache-2.0
"""The node's process: SIGINT and SIGTERM end it with exit code 0, a dead node with 1."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from time import sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rclpy.task import Future

    from panoptic_perception.ros.panoptic_node import PanopticNode

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_GRACE_S = 3.0


def main(args: list[str] | None = None) -> int:
    """Run the node until it is asked to stop and return the exit code."""
    # Blocked before the slow imports and before any thread exists: a signal waits for sigwait
    # instead of interrupting whatever runs, be it loading a model.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    import rclpy
    from rclpy.signals import SignalHandlerOptions
    from rclpy.task import Future

    from panoptic_perception.ros.panoptic_node import PanopticNode

    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node = PanopticNode()
    except Exception as error:  # bad arguments or parameters, in the words of who found them
        print(f'panoptic_perception: error: {error}', file=sys.stderr)
        return 2
    stop: Future = Future()
    threading.Thread(
        target=_run, args=(node, stop, threading.get_ident()), name='executor', daemon=True
    ).start()
    signal.sigwait(_STOP_SIGNALS)
    code = 1 if stop.done() else 0
    stop.set_result(None)
    _end(_GRACE_S, code)
    rclpy.try_shutdown()
    return code


def _run(node: PanopticNode, stop: Future, main_thread: int) -> None:
    """Spin the node; should that end unasked, end the process too, which waits for a signal."""
    try:
        _spin(node, stop)
    except Exception as error:
        print(f'panoptic_perception: error: the node ended: {error}', file=sys.stderr)
    if not stop.done():
        stop.set_result(None)
        signal.pthread_kill(main_thread, signal.SIGTERM)


def _spin(node: PanopticNode, stop: Future) -> None:
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    executor = SingleThreadedExecutor()
    executor.add_node(node)
    node.autostart()
    while rclpy.ok() and not stop.done():
        try:
            executor.spin_until_future_complete(stop)
        except Exception:  # a malformed request must not end a vehicle's node
            node.get_logger().error(traceback.format_exc())
            sleep(0.1)
    if not stop.done():
        raise RuntimeError('ROS was shut down inside the process')
    node.close()
    executor.remove_node(node)
    node.destroy_node()


def _end(grace_s: float, code: int) -> None:
    """Join the other threads; end the process at once if one hangs in the engine."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(grace_s)
    if threading.active_count() > 1:
        # Ending the interpreter under a thread inside a library would crash it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == '__main__':
    raise SystemExit(main())
