# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from rosbags.serde import SerdeError

from panoptic_perception.bags.messages import stamp_ns
from panoptic_perception.bags.process import (
    DETECTIONS_TOPIC,
    DRIVABLE_TOPIC,
    LABEL_INFO_TOPIC,
    LANE_TOPIC,
    OVERLAY_TOPIC,
    newest_wins,
    process_bag,
)
from panoptic_perception.bags.reader import BagError, BagFrame, BagReader
from panoptic_perception.bags.types import deserialize
from panoptic_perception.core.codec import decode_compressed
from panoptic_perception.core.overlay import draw_overlay

START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000
TRAVEL_NS = 7_000_000


def read(path):
    """Return (topic, receive time, message) of every message."""
    with BagReader(path) as bag:
        return [(m.topic, m.receive_ns, deserialize(m.data, m.msgtype)) for m in bag.messages()]


def test_process_bag__every_frame(tmp_path, make_bag, perceiver, scene):
    scenes = [scene, np.zeros_like(scene), np.roll(scene, 80, axis=1)]
    out = tmp_path / 'out.mcap'
    summary = process_bag(make_bag(scenes), out, perceiver)
    assert (summary.frames, summary.results, summary.dropped) == (3, 3, 0)
    assert (summary.lost, summary.damage) == ([], '')

    messages = read(out)
    assert messages[0][0] == LABEL_INFO_TOPIC
    assert [c.class_name for c in messages[0][2].class_map] == ['vehicle', 'person', 'cycle']
    assert messages[0][2].threshold == pytest.approx(0.3)
    assert [topic for topic, _, _ in messages[1:]] == [
        DETECTIONS_TOPIC,
        DRIVABLE_TOPIC,
        LANE_TOPIC,
    ] * 3
    for index, image in enumerate(scenes):
        expected = perceiver(image)
        for topic, receive_ns, message in messages[1 + 3 * index : 4 + 3 * index]:
            assert stamp_ns(message) == START_NS + index * PERIOD_NS
            assert message.header.frame_id == 'camera'
            assert receive_ns == START_NS + index * PERIOD_NS + TRAVEL_NS
            if topic == DETECTIONS_TOPIC:
                check_detections(message, expected)
            else:
                mask = message.data.reshape(message.height, message.width)
                lane = topic == LANE_TOPIC
                wanted = expected.lane_mask() if lane else expected.drivable_mask()
                np.testing.assert_array_equal(mask, wanted)


def check_detections(message, expected):
    assert len(message.detections) == len(expected.detections)
    for found, box, score, label in zip(
        message.detections,
        expected.detections.boxes,
        expected.detections.scores,
        expected.detections.labels,
        strict=True,
    ):
        centre = found.bbox.center.position
        hypothesis = found.results[0].hypothesis
        assert hypothesis.class_id == expected.labels[label]
        assert hypothesis.score == score
        half_w, half_h = found.bbox.size_x / 2, found.bbox.size_y / 2
        np.testing.assert_allclose(
            [centre.x - half_w, centre.y - half_h, centre.x + half_w, centre.y + half_h], box
        )


@pytest.mark.parametrize('compressed', [False, True])
def test_process_bag__equal_bytes_on_every_run(tmp_path, make_bag, perceiver, scene, compressed):
    bag = make_bag([scene] * 3, compressed=compressed)
    for name in ('a', 'b'):
        process_bag(bag, tmp_path / f'{name}.mcap', perceiver, overlay=True)
    assert (tmp_path / 'a.mcap').read_bytes() == (tmp_path / 'b.mcap').read_bytes()


def test_process_bag__overlay(tmp_path, make_bag, perceiver, scene):
    process_bag(make_bag([scene]), tmp_path / 'out.mcap', perceiver, overlay=True)
    topic, _, message = read(tmp_path / 'out.mcap')[-1]
    assert topic == OVERLAY_TOPIC
    drawn = draw_overlay(scene, perceiver(scene))
    assert np.abs(decode_compressed(message.data).astype(int) - drawn).mean() < 3


def test_process_bag__broken_frames_are_named_and_left_out(tmp_path, make_bag, perceiver, scene):
    frames = [b'\0\1\0\0', scene, b'', scene]
    summary = process_bag(make_bag(frames), tmp_path / 'out.mcap', perceiver)
    assert (summary.frames, summary.results) == (4, 2)
    assert [text.split(' at ')[0] for text in summary.lost] == ['frame 1', 'frame 3']
    with pytest.raises(SerdeError):
        deserialize(frames[0], 'sensor_msgs/msg/Image')
    messages = read(tmp_path / 'out.mcap')
    assert [topic for topic, _, _ in messages].count(LABEL_INFO_TOPIC) == 1
    stamps = [stamp_ns(m) for topic, _, m in messages if topic == DETECTIONS_TOPIC]
    assert stamps == [START_NS + PERIOD_NS, START_NS + 3 * PERIOD_NS]


def test_process_bag__damaged_bag_gives_its_first_frames(tmp_path, make_bag, perceiver, scene):
    rng = np.random.default_rng(0)
    bag = make_bag([rng.integers(0, 256, scene.shape, np.uint8) for _ in range(4)])
    bag.write_bytes(bag.read_bytes()[: bag.stat().st_size * 6 // 10])
    summary = process_bag(bag, tmp_path / 'out.mcap', perceiver)
    assert 'cut off' in summary.damage
    assert (summary.frames, summary.results, summary.lost) == (2, 2, [])
    assert sum(topic == DETECTIONS_TOPIC for topic, _, _ in read(tmp_path / 'out.mcap')) == 2


def test_process_bag__no_message_is_an_error_and_nothing_is_written(tmp_path, make_bag, perceiver):
    bag = make_bag([])
    with pytest.raises(BagError, match='has no message on /camera/image'):
        process_bag(bag, tmp_path / 'out.mcap', perceiver)
    assert list(tmp_path.iterdir()) == [bag]


@pytest.mark.parametrize('topic', [None, '/none'])
def test_process_bag__nothing_is_left_when_the_topic_is_unclear(
    tmp_path, make_bag, perceiver, scene, topic
):
    bag = make_bag([scene], topics=('/a', '/b'))
    with pytest.raises(BagError, match='/a, /b'):
        process_bag(bag, tmp_path / 'out.mcap', perceiver, image_topic=topic)
    assert list(tmp_path.iterdir()) == [bag]


def test_process_bag__realtime_names_broken_frames_rightly(tmp_path, make_bag, perceiver, scene):
    bag = make_bag([scene, b'', scene])
    summary = process_bag(bag, tmp_path / 'out.mcap', perceiver, realtime=True, inference_ms=1)
    assert (summary.results, summary.dropped) == (2, 0)
    assert [text.split(' at ')[0] for text in summary.lost] == ['frame 2']


def test_process_bag__realtime(tmp_path, make_bag, perceiver, scene):
    summary = process_bag(
        make_bag([scene] * 6), tmp_path / 'out.mcap', perceiver, realtime=True, inference_ms=160
    )
    assert (summary.frames, summary.results, summary.dropped) == (6, 5, 1)
    assert summary.dropped_stamps_ns == [START_NS + 2 * PERIOD_NS]


@pytest.mark.parametrize(
    ('arrivals', 'work_ns', 'worked', 'dropped'),
    [
        ([], 10, [], []),
        ([5], 10, [5], []),
        ([0, 10, 20, 30], 10, [0, 10, 20, 30], []),
        ([0, 10, 20, 30], 0, [0, 10, 20, 30], []),
        # Busy until 16, takes 10, busy until 32: at 30 the newest pushes 20 out.
        ([0, 10, 20, 30], 16, [0, 10, 30], [20]),
        # Busy until 30 exactly: 20 is taken before 30 comes.
        ([0, 10, 20, 30], 15, [0, 10, 20, 30], []),
        ([0, 10, 20, 30], 1000, [0, 30], [10, 20]),
        ([7, 7, 7], 1, [7, 7], [7]),
    ],
)
def test_newest_wins(arrivals, work_ns, worked, dropped):
    done = []

    def work(frame):
        done.append(frame.receive_ns)
        return work_ns

    frames = [BagFrame(n, ns, ns, '', None) for n, ns in enumerate(arrivals, 1)]
    assert [frame.receive_ns for frame in newest_wins(frames, work)] == dropped
    assert done == worked
