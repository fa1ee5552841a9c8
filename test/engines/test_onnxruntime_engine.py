# SPDX-License-Identifier: Apache-2.0
"""Real models in the real ONNX Runtime: values, batches, refusals."""

from __future__ import annotations

import os

import numpy as np
import pytest

from panoptic_perception.core.letterbox import Letterbox
from panoptic_perception.core.results import EngineInfo
from panoptic_perception.engines import (
    EngineError,
    EngineOutputError,
    ModelFileError,
    load_engine,
)


@pytest.fixture(scope='module')
def engine(tiny_model):
    return load_engine(tiny_model)


@pytest.fixture
def letterboxed(scene) -> np.ndarray:
    return Letterbox((1280, 720), (640, 384)).image(scene)


def test_load_engine__says_what_runs(tiny_model, engine):
    threads = min(2, len(os.sched_getaffinity(0)))
    assert engine.info == EngineInfo('onnxruntime', 'CPUExecutionProvider', 'fp32', threads)
    assert engine.model.path == tiny_model
    assert load_engine(tiny_model, threads=3).info.threads == 3
    assert load_engine(tiny_model, engine='onnxruntime', device='cpu', precision='fp32')


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'engine': 'openvino'}, "'openvino' is not available; choose one of auto, onnxruntime"),
        ({'engine': ''}, 'choose one of auto, onnxruntime'),
        ({'device': 'cuda'}, "device 'cuda' is not available .* choose one of auto, cpu"),
        ({'precision': 'int8'}, "'int8' is not available: .*tiny.onnx holds fp32; use 'auto'"),
        ({'threads': -1}, 'threads must be 0 .* found -1'),
        ({'threads': 2**40}, 'to 256, found 1099511627776'),
    ],
)
def test_load_engine__refused(tiny_model, options, words):
    with pytest.raises(EngineError, match=words):
        load_engine(tiny_model, **options)


def test_load_engine__missing_file(tmp_path):
    with pytest.raises(ModelFileError, match='does not exist'):
        load_engine(tmp_path / 'missing.onnx')


def test_load_engine__graph_that_onnxruntime_refuses(make_model):
    def misspell(model):
        model.graph.node[0].op_type = 'Gatherer'

    with pytest.raises(EngineError, match=r'onnxruntime cannot load .*model.onnx: .*Gatherer'):
        load_engine(make_model(misspell))


def test_load_engine__damaged_files_are_refused_or_run(tiny_model, tmp_path):
    """Flip bits anywhere: nothing but the two named errors may come out."""
    content = tiny_model.read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / 'damaged.onnx'
    refused = 0
    for _ in range(200):
        damaged = bytearray(content)
        for place in rng.integers(len(content), size=rng.integers(1, 4)):
            damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            load_engine(path).warm_up()
        except (ModelFileError, EngineError):
            refused += 1
    assert refused > 150


def test_run__values(engine, letterboxed):
    output = engine.run(letterboxed[None])
    assert output.boxes.dtype == output.scores.dtype == np.float32
    assert output.labels.dtype == output.batch_index.dtype == np.int64
    assert output.boxes.tolist() == [
        [50, 112, 150, 212],
        [300, 162, 320, 222],
        [450, 262, 500, 292],
    ]
    np.testing.assert_allclose(output.scores, [0.9, 0.8, 0.7], atol=1e-6)
    assert output.labels.tolist() == [0, 1, 2]
    assert output.batch_index.tolist() == [0, 0, 0]
    np.testing.assert_array_equal(output.drivable[0], letterboxed[:, :, 1])
    np.testing.assert_array_equal(output.lane[0], letterboxed[:, :, 0])


def test_run__batch(engine, letterboxed):
    black = np.zeros_like(letterboxed)
    output = engine.run(np.stack((black, letterboxed, black)))
    assert output.batch_index.tolist() == [1, 1, 1]
    assert output.drivable.shape == (3, 384, 640)
    assert not output.lane[2].any()


def test_run__nothing_found(engine):
    output = engine.run(np.zeros((1, 384, 640, 3), np.uint8))
    assert output.boxes.shape == (0, 4)
    assert output.scores.shape == output.labels.shape == output.batch_index.shape == (0,)


def test_run__strided_images(engine, letterboxed):
    mirrored = letterboxed[None, :, ::-1]
    output = engine.run(mirrored)
    np.testing.assert_array_equal(output.lane, mirrored[..., 0])


def test_run__same_answer_every_time(engine, letterboxed):
    first, second = (engine.run(letterboxed[None]) for _ in range(2))
    for name in vars(first):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize(
    'images',
    [
        np.zeros((384, 640, 3), np.uint8),
        np.zeros((0, 384, 640, 3), np.uint8),
        np.zeros((1, 3, 384, 640), np.uint8),
        np.zeros((1, 384, 640, 3), np.float32),
    ],
)
def test_run__refuses_other_input(engine, images):
    with pytest.raises(EngineError, match='network input must have shape'):
        engine.run(images)


def test_run__fixed_batch(make_model):
    engine = load_engine(make_model(height=64, width=96, batch=2))
    assert engine.warm_up() > 0
    assert engine.run(np.zeros((2, 64, 96, 3), np.uint8)).lane.shape == (2, 64, 96)
    with pytest.raises(EngineError, match=r'shape \(2, 64, 96, 3\)'):
        engine.run(np.zeros((1, 64, 96, 3), np.uint8))


@pytest.mark.parametrize('factor', [float('nan'), float('inf')])
def test_run__withholds_boxes_that_are_not_finite(make_model, scene, factor):
    engine = load_engine(make_model(box_factor=factor))
    image = Letterbox((1280, 720), (640, 384)).image(scene)
    with pytest.raises(EngineOutputError, match="'boxes' holds values that are not finite"):
        engine.run(image[None])


def test_warm_up__returns_milliseconds(engine):
    assert 0 < engine.warm_up() < 10_000
