# SPDX-License-Identifier: Apache-2.0
"""The process around the node: exit codes, signals at any moment, refused arguments."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def signals_are_blocked(pid: int) -> bool:
    """Whether a process has come as far as holding SIGTERM back."""
    status = Path(f'/proc/{pid}/status').read_text()
    blocked = int(
        next(line for line in status.splitlines() if line.startswith('SigBlk')).split()[1], 16
    )
    return bool(blocked & 1 << (signal.SIGTERM - 1))


@pytest.mark.parametrize('delay_s', [0.0, 0.3, 0.6, 1.2])
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signal__at_any_moment_ends_it_cleanly(start_node, peer, slow_model, number, delay_s):
    node = start_node(model=slow_model)
    peer.wait(lambda: signals_are_blocked(node.pid), 'the process')
    peer.spin(delay_s)  # from the imports over configuring to active
    start = time.monotonic()
    assert node.stop(number) == 0
    assert time.monotonic() - start < 15  # 2 s on an idle machine
    assert 'Traceback' not in node.log


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['-p', 'score_threshold:=7.0'], 'score_threshold must be -1 or 0 to 1, got 7.0'),
        (['-p', 'image_depth:=many'], "image_depth must be of type int, got 'many' of type str"),
        (['--params-file', '/no/such/file.yaml'], '/no/such/file.yaml'),
    ],
)
def test_bad_arguments__one_sentence_and_exit_code_2(start_node, arguments, sentence):
    node = start_node(*arguments)
    assert node.wait() == 2
    assert 'panoptic_perception: error: ' in node.log
    assert sentence in node.log
    assert 'Traceback' not in node.log


def test_end__leaves_a_thread_behind_that_hangs():
    program = (
        'import threading, time\n'
        'from panoptic_perception.ros.node import _end\n'
        'threading.Thread(target=time.sleep, args=[60], daemon=True).start()\n'
        'print("last words")\n'
        '_end(0.1, 3)\n'
        'raise SystemExit(9)\n'
    )
    done = run_program(program)
    assert (done.returncode, done.stdout, done.stderr) == (3, 'last words\n', '')


@pytest.mark.parametrize(
    ('autostart', 'reason'),
    [
        ('raise MemoryError("no room for the graph")', 'no room for the graph'),
        ('import rclpy; rclpy.shutdown()', 'ROS was shut down inside the process'),
    ],
)
def test_node_that_dies__ends_the_process_with_exit_code_1(autostart, reason):
    program = (
        'from panoptic_perception.ros import node, panoptic_node\n'
        'def autostart(self):\n'
        f'    {autostart}\n'
        'panoptic_node.PanopticNode.autostart = autostart\n'
        'raise SystemExit(node.main())\n'
    )
    done = run_program(program)
    assert done.returncode == 1
    assert 'panoptic_perception: error: the node ended: ' in done.stderr
    assert reason in done.stderr


def run_program(program):
    return subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, timeout=60, check=False
    )
