# SPDX-License-Identifier: Apache-2.0
"""Drive the real node, as its own process, with a bag and record what it answers."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, LabelInfo

from panoptic_perception.bags.process import (
    DETECTIONS_TOPIC,
    DRIVABLE_TOPIC,
    LABEL_INFO_TOPIC,
    LANE_TOPIC,
)
from panoptic_perception.bags.reader import BagError, BagMessage, DamagedBagError
from panoptic_perception.bags.types import COMPRESSED_IMAGE
from panoptic_perception.bags.writer import BagWriter
from panoptic_perception.ros.node_process import (
    NodeProcess,
    NodeProcessError,
    isolate,
    node_process,
)
from panoptic_perception.ros.player import play
from panoptic_perception.ros.recorder import Recorder

_DIAGNOSTICS_TOPIC = '/diagnostics'
_TOPICS = {
    LABEL_INFO_TOPIC: LabelInfo,
    DETECTIONS_TOPIC: Detection2DArray,
    DRIVABLE_TOPIC: Image,
    LANE_TOPIC: Image,
    _DIAGNOSTICS_TOPIC: DiagnosticArray,
}
_STATUS_NAME = 'panoptic_perception: runtime'
_CAMERA_TOPIC = '/camera/image'
_START_S = 60.0
_DRAIN_S = 15.0


@dataclass
class DriveReport:
    """What a drive measured; `status` holds the node's last accounts from /diagnostics."""

    sent: int = 0
    latency_ms: dict[int, float] = field(default_factory=dict)
    results_per_s: float = 0.0
    status: dict[str, str] = field(default_factory=dict)
    damage: str = ''


def drive(
    bag: Path,
    topic: str,
    msgtype: str,
    out: Path,
    *,
    model: Path | None = None,
    rate: float = 1.0,
    log: Path,
) -> DriveReport:
    """
    Play a camera topic of a bag to the node and record its outputs to an MCAP file.

    Args:
        bag: The recording with the camera images.
        topic: Its camera topic.
        msgtype: Type of that topic, raw or compressed.
        out: The MCAP file to write.
        model: Model file; None means the shipped one.
        rate: Speed of the replay.
        log: File for what the node prints.

    Raises:
        NodeProcessError: The node did not start, died, or did not end with exit code 0.
        BagError: The bag cannot be read, or two of its frames carry the same stamp.
    """
    isolate()
    compressed = msgtype == COMPRESSED_IMAGE
    published_topic = f'{_CAMERA_TOPIC}/compressed' if compressed else _CAMERA_TOPIC
    report = DriveReport()
    with ExitStack() as stack:
        writer = stack.enter_context(BagWriter(out))
        listener = stack.enter_context(_listening(writer))
        node = stack.enter_context(
            node_process(image_topic=_CAMERA_TOPIC, compressed=compressed, model=model, log=log)
        )
        if not _comes_true(lambda: listener.is_active, _START_S, node, listener):
            raise NodeProcessError(
                f'the node was not active within {_START_S:.0f} s: {node.last_line}'
            )

        def on_publish(message: BagMessage) -> None:
            _check(node, listener)
            listener.note_sent(message)

        try:
            play(
                bag,
                rate=rate,
                topic_map={topic: published_topic},
                clock=False,
                wait_for_subscribers_s=_START_S,
                on_publish=on_publish,
            )
        except DamagedBagError as error:
            report.damage = str(error)
        _comes_true(lambda: listener.is_drained, _DRAIN_S, node, listener)
        # Taken before the stop: a node that ends has no engine any more to report on.
        report.status = listener.status
        if node.stop() != 0:
            node.check_running()
    report.sent = len(listener.sent_s)
    report.latency_ms = listener.latency_ms
    report.results_per_s = listener.results_per_s
    return report


class _Listener:
    """Note when frames go out and when their detections come back, and the node's accounts."""

    def __init__(self) -> None:
        self.sent_s: list[float] = []
        self.latency_ms: dict[int, float] = {}
        self.status: dict[str, str] = {}
        self.message = ''
        self.trouble: Exception | None = None
        self._sent_at: dict[int, float] = {}
        self._answered_s: list[float] = []

    @property
    def is_active(self) -> bool:
        return self.message.startswith('active')

    @property
    def is_drained(self) -> bool:
        return self.status.get('in_flight') == '0' and int(self.status['received']) >= len(
            self.sent_s
        )

    @property
    def results_per_s(self) -> float:
        if len(self._answered_s) < 2:
            return 0.0
        return (len(self._answered_s) - 1) / (self._answered_s[-1] - self._answered_s[0])

    def note_sent(self, message: BagMessage) -> None:
        """Take the time at which a camera image is published; its stamp must be its own."""
        now_s = monotonic()
        self.sent_s.append(now_s)
        stamp_ns = _stamp_ns(message.data)
        if stamp_ns is None:
            return
        if stamp_ns in self._sent_at:
            raise BagError(
                f'frame {len(self.sent_s)} on {message.topic} carries the same header stamp as a'
                f' frame before it ({stamp_ns} ns), so the answers of the node could not be told'
                ' apart: use `panoptic bag`, which needs no stamps'
            )
        self._sent_at[stamp_ns] = now_s

    def note_message(self, topic: str, data: bytes) -> None:
        """Take the time of detections and the accounts of diagnostics."""
        if topic == DETECTIONS_TOPIC:
            now_s = monotonic()
            self._answered_s.append(now_s)
            stamp_ns = _stamp_ns(data)
            if stamp_ns in self._sent_at:
                self.latency_ms[stamp_ns] = (now_s - self._sent_at[stamp_ns]) * 1e3
        elif topic == _DIAGNOSTICS_TOPIC:
            for status in deserialize_message(data, DiagnosticArray).status:
                if status.name == _STATUS_NAME:
                    self.message = status.message
                    self.status = {pair.key: pair.value for pair in status.values}


@contextmanager
def _listening(writer: BagWriter) -> Iterator[_Listener]:
    """Record the node's outputs on a thread of its own."""
    listener = _Listener()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node('panoptic_drive')
    Recorder(
        node,
        _TOPICS,
        writer,
        latched=(LABEL_INFO_TOPIC,),
        on_message=listener.note_message,
    )
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    thread = threading.Thread(target=_spin, args=(executor, listener), name='recorder')
    thread.start()
    try:
        yield listener
    finally:
        rclpy.try_shutdown()
        thread.join()
        node.destroy_node()


def _spin(executor: SingleThreadedExecutor, listener: _Listener) -> None:
    try:
        executor.spin()
    except ExternalShutdownException:
        pass
    except Exception as error:  # a full disk, for one: told by the main thread
        listener.trouble = error


def _comes_true(
    condition: Callable[[], bool], timeout_s: float, node: NodeProcess, listener: _Listener
) -> bool:
    """Wait for a condition until the time is over; raise if the node or the recorder fails."""
    deadline = monotonic() + timeout_s
    while monotonic() < deadline:
        _check(node, listener)
        if condition():
            return True
        sleep(0.02)
    return False


def _check(node: NodeProcess, listener: _Listener) -> None:
    """Raise if the node or the recorder has failed."""
    if listener.trouble is not None:
        raise listener.trouble
    if listener.message.startswith('cannot '):
        raise NodeProcessError(f'the node {listener.message}')
    node.check_running()


def _stamp_ns(message: bytes) -> int | None:
    """Return the header time of a serialised message that begins with it, None if it is cut."""
    if len(message) < 12:
        return None
    order = '<' if message[1] else '>'
    sec, nanosec = struct.unpack_from(f'{order}iI', message, 4)
    return sec * 1_000_000_000 + nanosec
