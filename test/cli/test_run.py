# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
from dataclasses import asdict

import cv2
import numpy as np
import pytest

from panoptic_perception.engines import load_engine
from panoptic_perception.engines.nvidia import gpu_name
from panoptic_perception.runtime.perceiver import Perceiver

RUNS = r'panoptic: tiny\.onnx on \w+ \w+, fp32, threads=[12]\n'
SCENE_BOXES = {
    'vehicle': [100, 200, 300, 400],
    'person': [600, 300, 640, 420],
    'cycle': [900, 500, 1000, 560],
}


@pytest.fixture(scope='session')
def perceiver(tiny_model):
    return Perceiver(load_engine(tiny_model, threads=1))


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file() and path.name != 'summary.json'
    }


def mask(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_run__folder(panoptic, tmp_path, folder, scene, tiny_model, perceiver):
    out = tmp_path / 'out'
    done = panoptic('run', folder, '--out', out, '--model', tiny_model)
    assert done.returncode == 0
    assert re.fullmatch(RUNS, done.stderr)
    assert done.stdout.startswith('3 of 3 frames in ')
    endings = ('.json', '.drivable.png', '.lane.png', '.overlay.jpg')
    assert set(files(out)) == {name + end for name in ('a', 'b', 'sub/a') for end in endings}

    found = json.loads((out / 'a.json').read_text())
    assert (found['image'], found['width'], found['height']) == ('a', 1280, 720)
    assert [item['label'] for item in found['detections']] == ['vehicle', 'person', 'cycle']
    assert [item['score'] for item in found['detections']] == [0.9, 0.8, 0.7]
    for item in found['detections']:
        assert item['box'] == pytest.approx(SCENE_BOXES[item['label']], abs=2)
    expected = perceiver(scene)
    np.testing.assert_array_equal(mask(out / 'a.drivable.png'), expected.drivable_mask())
    np.testing.assert_array_equal(mask(out / 'a.lane.png'), expected.lane_mask())
    assert set(np.unique(mask(out / 'a.lane.png'))) == {0, 255}
    assert len(found['lanes']) == len(expected.lanes())
    for line, polyline in zip(found['lanes'], expected.lanes(), strict=True):
        np.testing.assert_allclose(line, polyline, atol=0.051)
    assert cv2.imread(str(out / 'a.overlay.jpg')).shape == (720, 1280, 3)
    assert mask(out / 'sub' / 'a.drivable.png').shape == (600, 500)

    summary = json.loads((out / 'summary.json').read_text())
    assert {key: summary[key] for key in ('frames', 'results', 'failed', 'failures')} == {
        'frames': 3,
        'results': 3,
        'failed': 0,
        'failures': [],
    }
    assert set(summary['median_ms']) == {
        *('read', 'preprocess', 'network', 'postprocess', 'draw', 'write'),
    }
    assert summary['engine'] == asdict(load_engine(tiny_model).info)
    assert len(summary['model']['sha256']) == 64
    assert summary['model']['labels'] == ['vehicle', 'person', 'cycle']
    assert summary['model']['thresholds'] == vars(perceiver.thresholds)


def test_run__a_result_depends_on_its_image_alone(panoptic, tmp_path, folder, tiny_model):
    panoptic('run', folder, '--out', tmp_path / 'all', '--model', tiny_model)
    inputs = {'a': folder / 'a.png', 'b': folder / 'b.jpg', 'sub/a': folder / 'sub' / 'a.png'}
    together = files(tmp_path / 'all')
    for name, path in inputs.items():
        out = tmp_path / name.replace('/', '-')
        panoptic('run', path, '--out', out, '--model', tiny_model)
        for file, content in files(out).items():
            prefix = 'sub/' if name == 'sub/a' else ''
            if file.endswith('.json'):
                content = content.replace(b'"image": "a"', f'"image": "{prefix}a"'.encode())
            assert together[prefix + file] == content


def test_run__unreadable_images_are_named_counted_and_skipped(
    panoptic, tmp_path, folder, tiny_model
):
    (folder / 'broken.jpg').write_bytes((folder / 'b.jpg').read_bytes()[:5000])
    (folder / 'empty.png').write_bytes(b'')
    (folder / 'text.jpg').write_text('hello')
    out = tmp_path / 'out'
    done = panoptic('run', folder, '--out', out, '--model', tiny_model, '--save', 'json')
    assert done.returncode == 1
    assert done.stdout.startswith('3 of 6 frames in ')
    _, *lines = done.stderr.splitlines()
    assert [line.split(':')[1] for line in lines] == [
        ' skipped broken',
        ' skipped empty',
        ' skipped text',
    ]
    assert set(files(out)) == {'a.json', 'b.json', 'sub/a.json'}
    summary = json.loads((out / 'summary.json').read_text())
    assert (summary['frames'], summary['results'], summary['failed']) == (6, 3, 3)
    assert [item['image'] for item in summary['failures']] == ['broken', 'empty', 'text']
    assert all(item['reason'] for item in summary['failures'])


@pytest.mark.parametrize(('score', 'found'), [('0.75', 2), ('0', 3), ('0.95', 0)])
def test_run__lowest_score(panoptic, tmp_path, folder, tiny_model, score, found):
    image, out = folder / 'a.png', tmp_path / 'out'
    options = ('--model', tiny_model, '--save', 'json', '--score', score)
    assert panoptic('run', image, '--out', out, *options).returncode == 0
    assert len(json.loads((out / 'a.json').read_text())['detections']) == found
    summary = json.loads((out / 'summary.json').read_text())
    assert summary['model']['thresholds']['score'] == float(score)


@pytest.mark.parametrize('score', ['', 'high', '-0.1', '1.1', 'nan'])
def test_run__score_that_is_no_share(panoptic, tmp_path, folder, score):
    done = panoptic('run', folder, '--out', tmp_path / 'out', f'--score={score}')
    assert done.returncode == 2
    assert 'a number from 0 to 1 is needed' in done.stderr


@pytest.mark.parametrize(
    ('kinds', 'endings'),
    [
        ('json', {'.json'}),
        ('masks', {'.drivable.png', '.lane.png'}),
        ('overlay, json', {'.json', '.overlay.jpg'}),
    ],
)
def test_run__save(panoptic, tmp_path, folder, tiny_model, kinds, endings):
    image, out = folder / 'a.png', tmp_path / 'out'
    done = panoptic('run', image, '--out', out, '--model', tiny_model, '--save', kinds)
    assert done.returncode == 0
    assert set(files(out)) == {f'a{ending}' for ending in endings}


def test_run__video_and_bag_together(panoptic, tmp_path, scene, video, make_bag, tiny_model):
    bag, out = make_bag([scene, b'\0\1\0\0', scene]), tmp_path / 'out'
    done = panoptic(
        *('run', video, bag, '--out', out, '--model', tiny_model, '--save', 'video,json')
    )
    assert done.returncode == 1, 'one message of the bag is broken'
    assert 'skipped drive_000002: ' in done.stderr
    assert set(files(out)) == {
        *(f'clip_{n:06d}.json' for n in range(1, 6)),
        *('drive_000001.json', 'drive_000003.json'),
        *('clip.overlay.mp4', 'drive.overlay.mp4'),
    }
    drawn = cv2.VideoCapture(str(out / 'clip.overlay.mp4'))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 5
    assert drawn.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    found = json.loads((out / 'drive_000003.json').read_text())
    assert found['detections'][0]['box'] == pytest.approx(SCENE_BOXES['vehicle'], abs=3)


def test_run__bag_with_two_cameras(panoptic, tmp_path, scene, make_bag, tiny_model):
    bag = make_bag([scene], topics=('/left/compressed', '/right/compressed'))
    words = ('run', bag, '--out', tmp_path / 'out', '--model', tiny_model, '--save', 'json')
    done = panoptic(*words)
    assert done.returncode == 2
    assert '--image-topic: /left/compressed, /right/compressed' in done.stderr
    assert not (tmp_path / 'out').exists()
    assert panoptic(*words, '--image-topic', '/left/compressed').returncode == 0


def test_run__damaged_bag_gives_its_first_frames(panoptic, tmp_path, make_bag, tiny_model):
    rng = np.random.default_rng(0)
    bag = make_bag([rng.integers(0, 256, (720, 1280, 3), np.uint8) for _ in range(4)])
    bag.write_bytes(bag.read_bytes()[: bag.stat().st_size // 2])
    done = panoptic(
        *('run', bag, '--out', tmp_path / 'out', '--model', tiny_model, '--save', 'json')
    )
    assert done.returncode == 1
    assert 'cut off' in done.stderr
    assert set(files(tmp_path / 'out')) >= {'drive_000001.json'}
    summary = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    assert summary['results'] == summary['frames'] < 4


def test_run__images_and_a_video_together(panoptic, tmp_path, folder, video, tiny_model):
    out = tmp_path / 'out'
    words = ('run', folder, video, '--out', out, '--model', tiny_model)
    done = panoptic(*words, '--save', 'json,overlay,video')
    assert done.returncode == 0
    assert re.fullmatch(RUNS, done.stderr)
    names = ['a', 'b', 'sub/a', *(f'clip_{n:06d}' for n in range(1, 6))]
    assert set(files(out)) == {
        *(name + end for name in names for end in ('.json', '.overlay.jpg')),
        'clip.overlay.mp4',
    }


def test_run__damaged_video_gives_its_first_frames(panoptic, tmp_path, damaged_video, tiny_model):
    out = tmp_path / 'out'
    words = ('run', damaged_video, '--out', out, '--model', tiny_model)
    done = panoptic(*words, '--save', 'json,video')
    assert done.returncode == 1
    assert f'the last 5 frames of {damaged_video} could not be decoded' in done.stderr
    summary = json.loads((out / 'summary.json').read_text())
    assert (summary['frames'], summary['results'], summary['failed']) == (7, 7, 1)
    drawn = cv2.VideoCapture(str(out / 'damaged.overlay.mp4'))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 7


def test_run__json_may_lie_beside_its_images(panoptic, folder, tiny_model):
    words = ('run', folder, '--out', folder, '--model', tiny_model, '--save', 'json')
    for _ in range(2):
        done = panoptic(*words)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith('3 of 3 frames in ')


@pytest.mark.skipif(bool(gpu_name()), reason='this machine has an NVIDIA GPU')
@pytest.mark.parametrize(('saved', 'returncode'), [('json', 2), ('masks', 0)])
def test_run__an_image_whose_result_would_be_the_summary(
    panoptic, tmp_path, folder, tiny_model, saved, returncode
):
    (folder / 'a.png').rename(folder / 'summary.png')
    done = panoptic(
        'run', folder, '--out', tmp_path / 'out', '--model', tiny_model, '--save', saved
    )
    assert done.returncode == returncode, done.stderr
    assert ("two images named 'summary'" in done.stderr) is (returncode == 2)


def test_run__a_device_that_is_not_here(panoptic, tmp_path, folder, tiny_model):
    words = ('run', folder, '--out', tmp_path / 'out', '--model', tiny_model, '--device', 'cuda')
    done = panoptic(*words)
    reason = 'device cuda needs an NVIDIA GPU and its driver, and none was found'
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr.startswith(f'panoptic: error: {tiny_model} cannot run with engine auto, ')
    assert done.stderr.endswith(f'{reason}\n')

    done = panoptic(*words, '--provider-policy', 'fallback')

    assert done.returncode == 0
    assert re.fullmatch(rf'{RUNS}panoptic: warning: \w+ on cpu in fp32 .*{reason}\n', done.stderr)
    assert json.loads((tmp_path / 'out' / 'summary.json').read_text())['engine']['note']
