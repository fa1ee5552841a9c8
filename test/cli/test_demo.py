# SPDX-License-Identifier: Apache-2.0
"""The whole way: a drive through the real node over DDS, recorded, drawn and accounted for."""

from __future__ import annotations

import json
import signal
import time

import cv2
import numpy as np
import pytest

from panoptic_perception.bags import messages
from panoptic_perception.bags.reader import BagReader
from panoptic_perception.bags.types import IMAGE, deserialize, serialize
from panoptic_perception.bags.writer import BagWriter
from panoptic_perception.engines import load_engine
from panoptic_perception.runtime.perceiver import Perceiver

START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 200_000_000
NODE = '/panoptic_perception'
ACCOUNTS = ('results', 'dropped_newer', 'dropped_stale', 'invalid', 'failed')


@pytest.fixture(autouse=True)
def ros():
    pytest.importorskip('rclpy', reason='ROS 2 is not installed')


@pytest.fixture
def raw_bag(tmp_path, scene):
    """Return a bag of eight raw images with a camera that is not ours beside them, and those."""
    images = [np.roll(scene, 24 * shift, axis=1) for shift in range(8)]
    with BagWriter(tmp_path / 'raw.mcap') as writer:
        writer.add_topic('/front/image_raw', IMAGE)
        writer.add_topic('/rear/image_raw', IMAGE)
        for index, image in enumerate(images):
            stamp_ns = START_NS + index * PERIOD_NS
            message = messages.image_message(messages.header(stamp_ns, 'front'), image)
            data = serialize(message, IMAGE)
            writer.write('/front/image_raw', data, stamp_ns)
            writer.write('/rear/image_raw', data, stamp_ns)
    return tmp_path / 'raw.mcap', images


def test_demo__raw_bag(panoptic, tmp_path, raw_bag, tiny_model):
    bag, images = raw_bag
    out = tmp_path / 'out'
    done = panoptic(
        *('demo', bag, '--out', out, '--model', tiny_model, '--image-topic', '/front/image_raw'),
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} == {
        *('summary.json', 'results.mcap', 'overlay.mp4', 'overlay.png', 'node.log'),
    }
    summary = json.loads((out / 'summary.json').read_text())
    check_accounts(summary, sent=8)
    check_pictures(out, summary, rate=5)

    perceiver = Perceiver(load_engine(tiny_model, threads=1))
    expected = {START_NS + n * PERIOD_NS: perceiver(image) for n, image in enumerate(images)}
    seen = set()
    with BagReader(out / 'results.mcap') as results:
        for message in results.messages():
            content = deserialize(message.data, message.msgtype)
            if message.topic in (f'{NODE}/label_info', '/diagnostics'):
                continue
            assert content.header.frame_id == 'front'
            result = expected[messages.stamp_ns(content)]
            if message.topic == f'{NODE}/detections':
                head = content.header
                np.testing.assert_array_equal(
                    serialize(content, message.msgtype),
                    serialize(messages.detections_message(head, result), message.msgtype),
                )
                seen.add(messages.stamp_ns(content))
            else:
                lane = message.topic == f'{NODE}/lane_lines/mask'
                mask = result.lane_mask('model') if lane else result.drivable_mask('model')
                np.testing.assert_array_equal(content.data.reshape(mask.shape), mask)
        assert results.topics[f'{NODE}/label_info'].count == 1
    assert len(seen) == summary['results']


def test_demo__video(panoptic, tmp_path, video, tiny_model):
    out = tmp_path / 'out'
    done = panoptic('demo', video, '--out', out, '--model', tiny_model, timeout=120)
    assert done.returncode == 0, done.stderr
    assert 'frames answered' in done.stdout
    assert str(out / 'overlay.mp4') in done.stdout
    summary = json.loads((out / 'summary.json').read_text())
    check_accounts(summary, sent=5)
    assert summary['engine'] == load_engine(tiny_model).info.engine
    check_pictures(out, summary, rate=10)


def check_accounts(summary, *, sent):
    assert summary['frames_sent'] == sent
    assert summary['frames_received'] == sent
    assert summary['frames_received'] == sum(summary[name] for name in ACCOUNTS)
    assert summary['results'] >= 1
    assert summary['results_recorded'] == summary['results']
    assert 0 < summary['latency_ms']['p50'] <= summary['latency_ms']['p95']
    assert summary['latency_ms']['p95'] <= summary['latency_ms']['p99']
    assert 0 < summary['inference_ms']['p50'] <= summary['inference_ms']['p95']
    assert 0 < summary['overhead_ms']['p50'] <= summary['overhead_ms']['p95']
    assert (summary['model'], summary['precision']) == ('tiny.onnx', 'fp32')


def check_pictures(out, summary, *, rate):
    video = cv2.VideoCapture(str(out / 'overlay.mp4'))
    # A frame dropped before the first answer has nothing to show.
    frames = video.get(cv2.CAP_PROP_FRAME_COUNT)
    assert summary['results'] <= frames <= summary['frames_sent']
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(rate, rel=0.01)
    good, frame = video.read()
    assert good
    # The drivable quarter of the scene is tinted: its blue is 40 in the camera image.
    assert frame[600, 100, 0] > 50
    assert cv2.imread(str(out / 'overlay.png')).shape[1] == 1920


def test_demo__broken_model_is_told_in_the_words_of_the_node(panoptic, tmp_path, video):
    model = tmp_path / 'broken.onnx'
    model.write_bytes(b'hello')
    out = tmp_path / 'out'
    done = panoptic('demo', video, '--out', out, '--model', model, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith('panoptic: error: the node cannot configure: ')
    assert str(model) in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in out.iterdir()] == ['node.log']


@pytest.mark.parametrize(
    ('stop', 'code'), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_demo__stopped_half_way_leaves_no_node(
    start_panoptic, tmp_path, make_bag, scene, tiny_model, stop, code
):
    bag, out = make_bag([scene] * 100), tmp_path / 'out'
    process = start_panoptic('demo', bag, '--out', out, '--model', tiny_model)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (
        (out / 'node.log').exists() and 'ready' in (out / 'node.log').read_text()
    ):
        time.sleep(0.05)
    time.sleep(2)
    assert process.poll() is None
    process.send_signal(stop)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == code
    assert 'Traceback' not in stderr
    assert [path.name for path in out.iterdir()] == ['node.log']


def test_demo__folder_with_a_broken_image(panoptic, tmp_path, folder, tiny_model):
    (folder / 'broken.jpg').write_bytes(b'hello')
    out = tmp_path / 'out'
    done = panoptic('demo', folder, '--out', out, '--model', tiny_model, timeout=120)
    assert done.returncode == 1
    assert 'skipped broken: ' in done.stderr
    summary = json.loads((out / 'summary.json').read_text())
    assert summary['skipped'] == ['broken']
    check_accounts(summary, sent=3)


def test_demo__broken_messages_are_counted_by_the_node(
    panoptic, tmp_path, make_bag, scene, tiny_model
):
    bag, out = make_bag([scene, b'\0\1\0\0', scene, scene]), tmp_path / 'out'
    # Slowly, so that no busy machine lets a newer image push the broken one out.
    done = panoptic(
        *('demo', bag, '--out', out, '--model', tiny_model, '--rate', '0.1'), timeout=120
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads((out / 'summary.json').read_text())
    check_accounts(summary, sent=4)
    assert summary['invalid'] == 1
    assert summary['invalid_reasons'] == {'bad_message': 1}


def test_demo__never_overwrites_its_input(panoptic, tmp_path, video, tiny_model):
    video.rename(tmp_path / 'overlay.mp4')
    done = panoptic(
        *('demo', tmp_path / 'overlay.mp4', '--out', tmp_path, '--model', tiny_model), timeout=120
    )
    assert done.returncode == 2
    assert 'would be overwritten' in done.stderr
    assert (tmp_path / 'overlay.mp4').exists()


def test_demo__damaged_video_is_driven_as_far_as_it_goes(
    panoptic, tmp_path, damaged_video, tiny_model
):
    out = tmp_path / 'out'
    done = panoptic('demo', damaged_video, '--out', out, '--model', tiny_model, timeout=120)
    assert done.returncode == 1
    sentence = f'the last 5 frames of {damaged_video} could not be decoded'
    assert done.stderr == f'panoptic: {sentence}\n'
    summary = json.loads((out / 'summary.json').read_text())
    assert summary['damage'] == sentence
    check_accounts(summary, sent=7)


def test_demo__cut_bag_is_driven_as_far_as_it_goes(panoptic, tmp_path, make_bag, tiny_model):
    rng = np.random.default_rng(0)
    bag = make_bag([rng.integers(0, 256, (720, 1280, 3), np.uint8) for _ in range(4)])
    bag.write_bytes(bag.read_bytes()[: bag.stat().st_size * 6 // 10])
    out = tmp_path / 'out'
    done = panoptic('demo', bag, '--out', out, '--model', tiny_model, timeout=120)
    assert done.returncode == 1
    summary = json.loads((out / 'summary.json').read_text())
    assert 'cut off' in summary['damage']
    assert summary['damage'] in done.stderr
    check_accounts(summary, sent=2)
