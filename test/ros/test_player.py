# SPDX-License-Identifier: Apache-2.0
import time

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from panoptic_perception.bags.reader import BagError
from panoptic_perception.bags.writer import BagWriter
from panoptic_perception.ros.messages import image_message
from panoptic_perception.ros.player import play

START_NS = 1_600_000_000_000_000_000
FRAME_NS = 50_000_000


@pytest.fixture
def bag(tmp_path):
    """Return a bag of 10 images at 20 Hz and one latched string."""
    path = tmp_path / 'drive.mcap'
    with BagWriter(path) as writer:
        writer.add_topic('/camera', 'sensor_msgs/msg/Image')
        writer.add_topic('/name', 'std_msgs/msg/String', latched=True)
        writer.write('/name', serialize_message(String(data='drive')), START_NS)
        for index in range(10):
            header = Header(frame_id=str(index))
            message = image_message(header, np.full((4, 6), index, np.uint8))
            receive_ns = START_NS + index * FRAME_NS
            writer.write('/camera', serialize_message(message), receive_ns)
    return path


def nanoseconds(tick):
    return tick.clock.sec * 1_000_000_000 + tick.clock.nanosec


def test_play__all_messages_as_recorded_with_the_clock(bag, peer):
    images, clocks = peer.subscribe(Image, '/camera'), peer.subscribe(Clock, '/clock')
    names = peer.subscribe(String, '/name', latched=True)
    published = []
    report = play(
        bag, rate=2.0, progress=False, wait_for_subscribers_s=20.0, on_publish=published.append
    )
    assert report.published == {'/camera': 10, '/name': 1}
    assert report.skipped == ()
    assert [message.receive_ns for message in published[1:]] == [
        START_NS + index * FRAME_NS for index in range(10)
    ]
    peer.wait(lambda: len(images) == 10, 'the images')
    assert [message.header.frame_id for message in images] == [str(index) for index in range(10)]
    assert [message.data[0] for message in images] == list(range(10))
    assert names[0].data == 'drive'
    end_ns = START_NS + 9 * FRAME_NS
    peer.wait(lambda: clocks and nanoseconds(clocks[-1]) == end_ns, 'the last tick')
    ticks_ns = [nanoseconds(tick) for tick in clocks]
    assert ticks_ns == sorted(ticks_ns)
    assert ticks_ns[0] >= START_NS


def test_play__some_topics_under_other_names(bag, peer):
    images, clocks = peer.subscribe(Image, '/image'), peer.subscribe(Clock, '/clock')
    report = play(
        bag,
        rate=50.0,
        topic_map={'/camera': '/image'},
        clock=False,
        progress=False,
        wait_for_subscribers_s=20.0,
    )
    assert report.published == {'/image': 10}
    peer.wait(lambda: len(images) == 10, 'the images')
    assert not clocks


def test_play__keeps_the_recorded_pace(bag):
    times_s = []
    report = play(bag, progress=False, on_publish=lambda _: times_s.append(time.monotonic()))
    # The first message may be a little late, the others wait for their time.
    assert times_s[-1] - times_s[0] >= 0.8 * 9 * FRAME_NS / 1e9
    assert 0 <= report.worst_delay_ms < 1000


def test_play__no_bar_where_nobody_sees_it(bag, capfd):
    # The bar comes after 3 s.
    play(bag, rate=0.125)
    assert capfd.readouterr().err == ''


def test_play__no_message(tmp_path):
    with BagWriter(tmp_path / 'silent.mcap') as writer:
        writer.add_topic('/camera', 'sensor_msgs/msg/Image')
    with pytest.raises(BagError, match='it holds 0 messages on /camera'):
        play(tmp_path / 'silent.mcap')


@pytest.mark.parametrize(
    ('topic_map', 'sentence'),
    [({'/other': '/image'}, 'has no topic /other'), ({}, 'has nothing to play')],
)
def test_play__nothing_to_play(bag, topic_map, sentence):
    with pytest.raises(BagError, match=sentence):
        play(bag, topic_map=topic_map, progress=False)


def test_play__no_bag(tmp_path):
    with pytest.raises(BagError, match='does not exist'):
        play(tmp_path / 'missing.mcap', progress=False)
