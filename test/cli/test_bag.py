# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re

import numpy as np
import pytest

from panoptic_perception.bags.reader import BagReader

NODE = '/panoptic_perception'
TOPICS = [
    f'{NODE}/detections',
    f'{NODE}/drivable_area/mask',
    f'{NODE}/label_info',
    f'{NODE}/lane_lines/mask',
]


def test_bag__equal_bytes_on_two_runs(panoptic, tmp_path, scene, make_bag, tiny_model):
    bag = make_bag([scene, scene[:, ::-1], scene])
    for name in ('first.mcap', 'second.mcap'):
        done = panoptic('bag', bag, '--out', tmp_path / name, '--model', tiny_model)
        assert done.returncode == 0
        runs = r'panoptic: tiny\.onnx on \w+ \w+, fp32, threads=[12]\n'
        assert re.fullmatch(runs, done.stderr)
        summary = json.loads(done.stdout)
        assert summary['image_topic'] == '/camera/image/compressed'
        counts = [summary[key] for key in ('frames', 'results', 'dropped', 'lost', 'damage')]
        assert counts == [3, 3, 0, 0, '']
    assert (tmp_path / 'first.mcap').read_bytes() == (tmp_path / 'second.mcap').read_bytes()
    with BagReader(tmp_path / 'first.mcap') as results:
        assert list(results.topics) == TOPICS
        assert [topic.count for topic in results.topics.values()] == [3, 3, 1, 3]


def test_bag__overlay(panoptic, tmp_path, scene, make_bag, tiny_model):
    out = tmp_path / 'out.mcap'
    panoptic('bag', make_bag([scene]), '--out', out, '--model', tiny_model, '--overlay')
    with BagReader(out) as results:
        assert results.topics[f'{NODE}/overlay/compressed'].count == 1


def test_bag__lost_frames_are_named(panoptic, tmp_path, scene, make_bag, tiny_model):
    bag, out = make_bag([scene, b'hello', scene]), tmp_path / 'out.mcap'
    done = panoptic('bag', bag, '--out', out, '--model', tiny_model)
    assert done.returncode == 1
    assert '\npanoptic: lost frame 2 at ' in done.stderr
    summary = json.loads(done.stdout)
    assert (summary['frames'], summary['results'], summary['lost']) == (3, 2, 1)
    assert summary['lost_frames'][0].startswith('frame 2 at ')
    with BagReader(out) as results:
        assert results.topics[TOPICS[0]].count == 2


def test_bag__cut_off(panoptic, tmp_path, make_bag, tiny_model):
    rng = np.random.default_rng(0)
    bag = make_bag([rng.integers(0, 256, (720, 1280, 3), np.uint8) for _ in range(4)])
    bag.write_bytes(bag.read_bytes()[: bag.stat().st_size * 6 // 10])
    done = panoptic('bag', bag, '--out', tmp_path / 'out.mcap', '--model', tiny_model)
    assert done.returncode == 1
    assert 'cut off' in done.stderr
    summary = json.loads(done.stdout)
    assert 0 < summary['results'] < 4
    with BagReader(tmp_path / 'out.mcap') as results:
        assert results.topics[TOPICS[0]].count == summary['results']


@pytest.mark.parametrize(
    ('topic', 'code', 'text'),
    [
        ((), 2, 'several image topics'),
        (('--image-topic', '/c'), 2, 'no image topic /c'),
        (('--image-topic', '/b'), 0, ''),
    ],
)
def test_bag__two_image_topics(panoptic, tmp_path, scene, make_bag, tiny_model, topic, code, text):
    bag, out = make_bag([scene], topics=('/a', '/b')), tmp_path / 'out.mcap'
    done = panoptic('bag', bag, '--out', out, '--model', tiny_model, *topic)
    assert done.returncode == code
    assert text in done.stderr
    if code:
        assert '/a, /b' in done.stderr
        assert not out.exists()


def test_bag__realtime_sim(panoptic, tmp_path, scene, make_bag, tiny_model):
    bag = make_bag([scene] * 6)
    words = ('bag', bag, '--out', tmp_path / 'out.mcap', '--model', tiny_model, '--realtime-sim')
    done = panoptic(*words, '--inference-ms', '160')
    assert done.returncode == 0, 'a dropped frame is an answer, not a loss'
    summary = json.loads(done.stdout)
    assert (summary['frames'], summary['results'], summary['dropped']) == (6, 5, 1)
    assert summary['dropped_stamps_ns'] == [1_700_000_000_200_000_000]
    summary = json.loads(panoptic(*words).stdout)
    assert summary['results'] + summary['dropped'] == 6
