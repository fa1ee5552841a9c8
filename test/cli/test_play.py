# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import signal
import time

import pytest

LOCAL = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'ROS_DOMAIN_ID': '93'}


@pytest.fixture(autouse=True)
def ros():
    pytest.importorskip('rclpy', reason='ROS 2 is not installed')


def test_play__at_its_rate(panoptic, scene, make_bag):
    bag = make_bag([scene[:90, :160]] * 11)
    start = time.monotonic()
    done = panoptic('play', bag, '--rate', '2', **LOCAL)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('published 11 messages on 1 topics')
    assert time.monotonic() - start > 0.5


@pytest.mark.parametrize(
    ('stop', 'code'), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_play__loop_until_stopped(start_panoptic, scene, make_bag, stop, code):
    process = start_panoptic('play', make_bag([scene[:90, :160]] * 3), '--loop', **LOCAL)
    time.sleep(2.5)
    assert process.poll() is None
    process.send_signal(stop)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == code, stderr
    assert 'Traceback' not in stderr


def test_play__damaged_bag_plays_as_far_as_it_goes(panoptic, make_bag, scene):
    bag = make_bag([scene[:90, :160]] * 3)
    bag.write_bytes(bag.read_bytes()[:-50])
    done = panoptic('play', bag, **LOCAL)
    assert done.returncode == 2
    assert 'cut off' in done.stderr
    assert len(done.stderr.splitlines()) == 1
