# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import os
import signal

import pytest

from panoptic_perception.bags import messages
from panoptic_perception.bags.reader import BagError, BagReader
from panoptic_perception.bags.types import COMPRESSED_IMAGE, serialize
from panoptic_perception.bags.writer import BagWriter
from panoptic_perception.ros import drive as subject
from panoptic_perception.ros.drive import drive
from panoptic_perception.ros.node_process import NodeProcess, NodeProcessError

START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 200_000_000
TOPIC = '/camera/image/compressed'


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Take back what a drive sets for its processes."""
    for name in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        monkeypatch.setenv(name, os.environ.get(name, ''))
        if not os.environ[name]:
            monkeypatch.delenv(name)


@pytest.fixture
def start(tmp_path, scene, tiny_model):
    """Return a function that drives as many frames as there are stamps, cut messages for None."""

    def start(stamps):
        with BagWriter(tmp_path / 'drive.mcap') as writer:
            writer.add_topic(TOPIC, COMPRESSED_IMAGE)
            for index, stamp_ns in enumerate(stamps):
                data = b'\0\1\0\0'
                if stamp_ns is not None:
                    head = messages.header(stamp_ns, 'camera')
                    message = messages.jpeg_message(head, scene, quality=95)
                    data = serialize(message, COMPRESSED_IMAGE)
                writer.write(TOPIC, data, START_NS + index * PERIOD_NS)
        out, log = tmp_path / 'results.mcap', tmp_path / 'node.log'
        return drive(
            tmp_path / 'drive.mcap', TOPIC, COMPRESSED_IMAGE, out, model=tiny_model, log=log
        )

    return start


def test_drive__every_answer_is_timed_and_recorded(start, tmp_path):
    stamps = [START_NS, None, None, START_NS + 1, START_NS + 2]
    report = start(stamps)
    assert (report.sent, report.damage) == (5, '')
    assert (report.status['received'], report.status['in_flight']) == ('5', '0')
    assert set(report.latency_ms) <= set(stamps)
    assert len(report.latency_ms) == int(report.status['results']) >= 1
    assert all(0 < age_ms < 10_000 for age_ms in report.latency_ms.values())
    with BagReader(tmp_path / 'results.mcap') as results:
        assert results.topics[subject.DETECTIONS_TOPIC].count == len(report.latency_ms)


def test_drive__equal_stamps_are_refused(start, tmp_path):
    with pytest.raises(BagError, match=r'frame 2 on .* same header stamp .*: use `panoptic bag`'):
        start([0] * 5)
    assert not (tmp_path / 'results.mcap').exists()


@pytest.fixture
def sent(monkeypatch):
    """Return the list of what a drive publishes."""
    sent: list = []
    note_sent = subject._Listener.note_sent

    def note(listener, message):
        sent.append(message)
        note_sent(listener, message)

    monkeypatch.setattr(subject._Listener, 'note_sent', note)
    return sent


def test_drive__a_node_that_dies_ends_it_at_once(start, sent, monkeypatch):
    check_running = NodeProcess.check_running

    def kill_after_three(node):
        if len(sent) == 3:
            os.kill(node.pid, signal.SIGKILL)
            os.waitid(os.P_PID, node.pid, os.WEXITED | os.WNOWAIT)
        check_running(node)

    monkeypatch.setattr(NodeProcess, 'check_running', kill_after_three)
    with pytest.raises(NodeProcessError, match='the node ended with exit code -9: '):
        start([START_NS + n for n in range(20)])
    assert len(sent) == 3


def test_drive__a_full_disk_ends_it_at_once(start, sent, monkeypatch):
    class FullDisk(BagWriter):
        def write(self, topic, data, receive_ns):
            if topic == subject.DETECTIONS_TOPIC:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            super().write(topic, data, receive_ns)

    monkeypatch.setattr(subject, 'BagWriter', FullDisk)
    with pytest.raises(OSError, match='No space left'):
        start([START_NS + n for n in range(20)])
    assert len(sent) < 20
