# SPDX-License-Identifier: Apache-2.0
"""OpenVINO says of the shipped models what ONNX Runtime says, on frames of the demo drive."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

import panoptic_perception
from panoptic_perception.core.letterbox import Letterbox
from panoptic_perception.engines import (
    EngineError,
    NetworkOutput,
    find_model,
    installed,
    load_engine,
    read_model,
)
from panoptic_perception.engines.openvino_engine import OpenVinoEngine
from panoptic_perception.engines.policy import Way

pytestmark = pytest.mark.skipif(not find_spec('openvino'), reason='openvino is missing')
DRIVE = Path(panoptic_perception.__file__).parent / 'demo' / 'synthetic_drive.mp4'
needs_bf16 = pytest.mark.skipif(
    bool(installed.obstacle(Way('openvino', 'cpu', 'bf16'))), reason='this CPU has no bf16'
)


@pytest.fixture(scope='module')
def images() -> list[np.ndarray]:
    """Return 20 letterboxed frames from all over the demo drive."""
    model = read_model(find_model())
    video = cv2.VideoCapture(str(DRIVE))
    frames = (frame for read, frame in iter(video.read, (False, None)) if read)
    return [
        Letterbox(frame.shape[1::-1], model.input_wh).image(frame)
        for frame in islice(frames, 0, 80, 4)
    ]


@pytest.fixture(scope='module')
def exact(images) -> Callable[[str], list[NetworkOutput]]:
    """Return what gives the answers of a shipped float32 file in ONNX Runtime."""

    @cache
    def answers(name: str) -> list[NetworkOutput]:
        engine = load_engine(find_model(name), engine='onnxruntime', device='cpu')
        return [engine.run(image[None]) for image in images]

    return answers


def box_iou(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    low, high = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:], others[:, 2:])
    overlap = np.clip(high - low, 0, None).prod(1)
    area = (one[2:] - one[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1)
    return overlap / (area - overlap)


def partners(found: NetworkOutput, expected: NetworkOutput) -> tuple[np.ndarray, np.ndarray]:
    """Return the IoU of each expected box with its best partner, and their score difference."""
    rows = []
    for box, score, label in zip(expected.boxes, expected.scores, expected.labels, strict=True):
        same = found.labels == label
        iou = box_iou(box, found.boxes[same])
        if not same.any():
            rows.append((0.0, score))
            continue
        best = iou.argmax()
        rows.append((iou[best], abs(found.scores[same][best] - score)))
    ious, scores = np.array(rows).reshape(-1, 2).T
    return ious, scores


def all_partners(
    found: list[NetworkOutput], expected: list[NetworkOutput], model: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return what `partners` does of the confident boxes of either, of all images; many."""
    pairs = [
        pair
        for f, e in zip(found, expected, strict=True)
        for pair in (partners(f, confident(e, model)), partners(e, confident(f, model)))
    ]
    ious, score_differences = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    assert len(ious) > 400
    return ious, score_differences


def confident(output: NetworkOutput, model: str) -> NetworkOutput:
    """Return the boxes that a shipped model's threshold keeps, and the masks as they are."""
    kept = output.scores >= read_model(find_model(model)).thresholds.score
    boxes = (output.boxes, output.scores, output.labels, output.batch_index)
    return NetworkOutput(*(array[kept] for array in boxes), output.drivable, output.lane)


def mask_iou(name: str, *outputs: list[NetworkOutput]) -> float:
    """Return the IoU of two networks' masks of a name, all pictures together."""
    found, expected = (np.stack([getattr(o, name) for o in out]) >= 128 for out in outputs)
    return (found & expected).sum() / (found | expected).sum()


@pytest.mark.parametrize('name', ['panoptic.onnx', 'panoptic_fast.onnx'])
def test_fp32__same_answers_as_onnxruntime(images, exact, name):
    engine = load_engine(find_model(name), engine='openvino')
    assert engine.info.precision == 'fp32'
    for image, answer in zip(images, exact(name), strict=True):
        found = engine.run(image[None])
        assert len(found.scores) == len(answer.scores) > 100
        for ious, score_differences in (partners(found, answer), partners(answer, found)):
            assert ious.min() >= 0.999
            assert score_differences.max() <= 1e-4
        for mask in ('drivable', 'lane'):
            difference = np.abs(getattr(found, mask).astype(int) - getattr(answer, mask))
            assert difference.max() <= 1


@needs_bf16
def test_bf16__answers_within_what_was_measured(images, exact):
    """
    Hold bf16 to its measured difference from float32, which is not small.

    Median and worst twentieth of the boxes: IoU 0.987 and 0.941, scores off by 0.005 and 0.014.
    Masks of all images together: IoU 0.995 of the drivable area, 0.990 of the lane lines.
    """
    name = 'panoptic.onnx'
    engine = load_engine(find_model(name), engine='openvino', precision='bf16')
    assert engine.info.precision == 'bf16'
    found = [engine.run(image[None]) for image in images]
    ious, score_differences = all_partners(found, exact(name), name)
    assert np.quantile(ious, 0.5) >= 0.95
    assert np.quantile(ious, 0.05) >= 0.9
    assert np.quantile(score_differences, 0.95) <= 0.03
    for mask, bound in (('drivable', 0.98), ('lane', 0.97)):
        assert mask_iou(mask, found, exact(name)) >= bound


@pytest.mark.parametrize('precision', ['int8', pytest.param('int8-bf16', marks=needs_bf16)])
def test_int8__answers_within_what_was_measured(images, exact, precision):
    """
    Hold the shipped 8 bit file to its measured difference from the float32 file it was made of.

    Median and worst twentieth of the boxes: IoU 0.966 and 0.811, scores off by 0.007 and 0.033;
    with bf16 beside 8 bits 0.964 and 0.811, 0.008 and 0.041.
    Masks of all images together: IoU 0.987 of the drivable area, 0.977 of the lane lines, with
    bf16 0.974.
    """
    name = 'panoptic_fast.onnx'
    engine = load_engine(find_model('panoptic_fast_int8.onnx'), precision=precision)
    source = engine.model.provenance['quantization']['source_sha256']
    assert source == read_model(find_model(name)).sha256
    assert (engine.info.engine, engine.info.precision) == ('openvino', precision)
    found = [engine.run(image[None]) for image in images]
    ious, score_differences = all_partners(found, exact(name), name)
    assert np.quantile(ious, 0.5) >= 0.95
    assert np.quantile(ious, 0.05) >= 0.75
    assert np.quantile(score_differences, 0.95) <= 0.06
    for mask in ('drivable', 'lane'):
        assert mask_iou(mask, found, exact(name)) >= 0.97


@pytest.mark.parametrize(
    ('precision', 'hint'), [('fp32', 'f32'), ('bf16', 'bf16'), ('int8-bf16', 'bf16')]
)
def test_engine__reads_back_the_precision(tiny_model, monkeypatch, precision, hint):
    """A CPU without bf16, say, that computes in something else than was asked for."""

    class Compiled:
        def create_infer_request(self):
            return None

        def get_property(self, name):
            return self

        def to_string(self):
            return 'f16'

    monkeypatch.setattr(OpenVinoEngine, '_compile', lambda *_: Compiled())
    with pytest.raises(EngineError, match=f'was asked for {hint} but computes in f16'):
        OpenVinoEngine(read_model(tiny_model), precision=precision, threads=1)


def test_engine__tells_of_threads_that_it_does_not_take(tiny_model):
    info = load_engine(tiny_model, engine='openvino', threads=256).info
    assert info.threads < 256
    assert info.note == f'openvino takes {info.threads} of 256 threads, one for each core'


def test_engine__does_not_tell_of_threads_that_nobody_asked_for(tiny_model, monkeypatch):
    monkeypatch.setattr('panoptic_perception.engines.openvino_engine.thread_count', lambda _: 256)
    info = load_engine(tiny_model, engine='openvino').info
    assert (info.threads < 256, info.note) == (True, '')


def run_alone(code: str, model: Path) -> str:
    """Return what code prints in a process of its own, whose threads are its alone."""
    done = subprocess.run(
        [sys.executable, '-c', code, str(model)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout


def test_engine__reports_to_nobody_and_leaves_no_thread(tiny_model):
    code = """if True:
        import sys, threading
        from panoptic_perception.engines import load_engine
        load_engine(sys.argv[1], engine='openvino').warm_up()
        print(threading.active_count(), sys.modules.get('openvino_telemetry'))
    """
    assert run_alone(code, tiny_model) == '1 None\n'


def test_engine__a_signal_after_two_engines_have_gone(tiny_model):
    """faulthandler gives signals a stack of their own, which OpenVINO exchanges."""
    code = """if True:
        import faulthandler, os, signal, sys
        from panoptic_perception.engines import load_engine
        faulthandler.enable()
        first, second = (load_engine(sys.argv[1], engine='openvino') for _ in range(2))
        del first
        del second
        signal.signal(signal.SIGTERM, lambda *_: print('caught'))
        os.kill(os.getpid(), signal.SIGTERM)
    """
    assert run_alone(code, tiny_model) == 'caught\n'


def test_run__from_several_threads(tiny_model):
    code = """if True:
        import sys
        from concurrent.futures import ThreadPoolExecutor
        import numpy as np
        from panoptic_perception.engines import load_engine
        engine = load_engine(sys.argv[1], engine='openvino')

        def lane(value):
            output = engine.run(np.full((1, 384, 640, 3), value, np.uint8))
            return int(output.lane.min()), int(output.lane.max())

        with ThreadPoolExecutor(4) as pool:
            print(list(pool.map(lane, range(16))) == [(value, value) for value in range(16)])
    """
    assert run_alone(code, tiny_model) == 'True\n'


def test_run__batch_sizes_are_compiled_once(tiny_model, monkeypatch):
    engine = load_engine(tiny_model, engine='openvino')
    compiled = []
    monkeypatch.setattr(
        engine, '_compile', lambda n: compiled.append(n) or OpenVinoEngine._compile(engine, n)
    )
    for count in (1, 3, 1, 3):
        assert engine.run(np.zeros((count, 384, 640, 3), np.uint8)).lane.shape[0] == count
    assert compiled == [3]
