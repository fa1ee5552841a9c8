# SPDX-License-Identifier: Apache-2.0
"""Real models in every engine: values, batches, refusals."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from panoptic_perception.core.letterbox import Letterbox
from panoptic_perception.engines import EngineError, EngineOutputError, load_engine
from panoptic_perception.engines.file_engine import thread_count

needs_openvino = pytest.mark.skipif(not find_spec('openvino'), reason='openvino is missing')


@pytest.fixture(
    scope='module', params=['onnxruntime', pytest.param('openvino', marks=needs_openvino)]
)
def name(request) -> str:
    return request.param


@pytest.fixture(scope='module')
def engine(tiny_model, name):
    return load_engine(tiny_model, engine=name, device='cpu')


@pytest.fixture
def letterboxed(scene) -> np.ndarray:
    return Letterbox((1280, 720), (640, 384)).image(scene)


@pytest.mark.parametrize('threads', [1, 3, 256])
def test_thread_count__as_asked(threads):
    assert thread_count(threads) == threads


def test_thread_count__automatic():
    assert thread_count(0) in (1, 2)


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


def test_run__an_answer_is_not_changed_by_the_next(engine, letterboxed):
    first = engine.run(letterboxed[None])
    before = {name: array.copy() for name, array in vars(first).items()}
    engine.run(np.zeros((1, 384, 640, 3), np.uint8))
    for name, array in before.items():
        np.testing.assert_array_equal(getattr(first, name), array)


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


def test_run__fixed_batch(make_model, name):
    engine = load_engine(make_model(height=64, width=96, batch=2), engine=name, device='cpu')
    assert engine.warm_up() > 0
    assert engine.run(np.zeros((2, 64, 96, 3), np.uint8)).lane.shape == (2, 64, 96)
    with pytest.raises(EngineError, match=r'shape \(2, 64, 96, 3\)'):
        engine.run(np.zeros((1, 64, 96, 3), np.uint8))


@pytest.mark.parametrize('factor', [float('nan'), float('inf')])
def test_run__withholds_boxes_that_are_not_finite(make_model, scene, factor, name):
    engine = load_engine(make_model(box_factor=factor), engine=name, device='cpu')
    image = Letterbox((1280, 720), (640, 384)).image(scene)
    with pytest.raises(EngineOutputError, match="'boxes' holds values that are not finite"):
        engine.run(image[None])


def test_warm_up__returns_milliseconds(engine):
    assert 0 < engine.warm_up() < 10_000


class LostDevice:
    """A session or request whose device has gone."""

    def run(self, *_):
        raise RuntimeError('CUDA error 719: unspecified launch failure')


def test_run__a_failed_image_is_followed_by_a_good_one(tiny_model):
    """A device that is lost for one image is asked again for the next."""
    engine = load_engine(tiny_model, engine='onnxruntime', device='cpu')
    session, engine._session = engine._session, LostDevice()
    images = np.zeros((1, 384, 640, 3), np.uint8)
    with pytest.raises(
        EngineError, match=r'onnxruntime failed to run .*tiny.onnx: CUDA error 719'
    ):
        engine.run(images)
    engine._session = session
    assert len(engine.run(images).scores) == 0
