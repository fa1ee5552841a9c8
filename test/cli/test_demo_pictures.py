# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import pytest

from panoptic_perception.bags.process import process_bag
from panoptic_perception.bags.reader import BagReader
from panoptic_perception.bags.writer import BagWriter
from panoptic_perception.cli.demo_pictures import draw_drive
from panoptic_perception.core.overlay import draw_overlay
from panoptic_perception.engines import load_engine
from panoptic_perception.runtime.perceiver import Perceiver

TOPIC = '/camera/image/compressed'
PERIOD_NS = 100_000_000
START_NS = 1_700_000_000_000_000_000


@pytest.fixture(scope='session')
def perceiver(tiny_model):
    return Perceiver(load_engine(tiny_model, threads=1))


def answer(bag, perceiver, path, *, dropped=()):
    """Write the results of a bag, less those of some frames; return the ages by stamp."""
    process_bag(bag, path.with_name('all.mcap'), perceiver)
    stamps = [START_NS + index * PERIOD_NS for index in dropped]
    with BagReader(path.with_name('all.mcap')) as every, BagWriter(path) as writer:
        for topic in every.topics.values():
            writer.add_topic(topic.name, topic.msgtype, latched=topic.latched)
        kept = [m for m in every.messages() if m.receive_ns not in stamps or 'label' in m.topic]
        for message in kept:
            writer.write(message.topic, message.data, message.receive_ns)
    return {m.receive_ns: 20.0 for m in kept}


def drawn_frames(folder):
    video = cv2.VideoCapture(str(folder / 'overlay.mp4'))
    frames = []
    while (step := video.read())[0]:
        frames.append(step[1].astype(int))
    return frames


def test_draw_drive__a_dropped_frame_shows_the_answer_before_it(
    tmp_path, make_bag, scene, perceiver
):
    scenes = [scene, scene[:, ::-1], np.zeros_like(scene), scene]
    bag = make_bag(scenes)
    ages = answer(bag, perceiver, tmp_path / 'results.mcap', dropped=(0, 2))
    draw_drive(bag, TOPIC, tmp_path / 'results.mcap', ages, tmp_path)
    frames = drawn_frames(tmp_path)
    assert len(frames) == 3, 'before the first answer there is nothing to show'
    for frame, image in zip(frames, (scenes[1], scenes[1], scenes[3]), strict=True):
        expected = draw_overlay(image, perceiver(np.ascontiguousarray(image)))
        # The caption covers the edge of the picture.
        assert np.abs(frame - expected)[100:-100].mean() < 6
    assert cv2.imread(str(tmp_path / 'overlay.png')).shape[1] == 1920


def test_draw_drive__cut_bag(tmp_path, make_bag, perceiver):
    rng = np.random.default_rng(0)
    bag = make_bag([rng.integers(0, 256, (720, 1280, 3), np.uint8) for _ in range(4)])
    bag.write_bytes(bag.read_bytes()[: bag.stat().st_size * 6 // 10])
    ages = answer(bag, perceiver, tmp_path / 'results.mcap')
    draw_drive(bag, TOPIC, tmp_path / 'results.mcap', ages, tmp_path)
    assert len(drawn_frames(tmp_path)) == len(ages) == 2


def test_draw_drive__an_answer_with_a_part_missing_is_left_out(
    tmp_path, make_bag, scene, perceiver
):
    bag = make_bag([scene, scene])
    process_bag(bag, tmp_path / 'all.mcap', perceiver)
    with BagReader(tmp_path / 'all.mcap') as every, BagWriter(tmp_path / 'results.mcap') as writer:
        for topic in every.topics.values():
            writer.add_topic(topic.name, topic.msgtype)
        for message in every.messages():
            if not (message.topic.endswith('lane_lines/mask') and message.receive_ns == START_NS):
                writer.write(message.topic, message.data, message.receive_ns)
    ages = {START_NS: 20.0, START_NS + PERIOD_NS: 20.0}
    draw_drive(bag, TOPIC, tmp_path / 'results.mcap', ages, tmp_path)
    assert len(drawn_frames(tmp_path)) == 1
