# SPDX-License-Identifier: Apache-2.0
import dataclasses
import tracemalloc
from importlib.util import find_spec

import numpy as np
import pytest

from panoptic_perception.core.results import Thresholds
from panoptic_perception.engines import EngineOutputError, ModelFileError, load_engine
from panoptic_perception.runtime.perceiver import Perceiver

SCENE_BOXES = [[100, 200, 300, 400], [600, 300, 640, 420], [900, 500, 1000, 560]]


@pytest.fixture
def perceiver(tiny_model):
    return Perceiver(load_engine(tiny_model))


def test_call__scene(perceiver, scene):
    before = scene.copy()
    result = perceiver(scene)
    assert result.source_wh == (1280, 720)
    assert result.labels == ('vehicle', 'person', 'cycle')
    np.testing.assert_allclose(result.detections.boxes, SCENE_BOXES, atol=2)
    np.testing.assert_allclose(result.detections.scores, [0.9, 0.8, 0.7])
    assert result.detections.labels.tolist() == [0, 1, 2]
    assert result.drivable_probability.shape == result.lane_probability.shape == (360, 640)
    assert result.drivable_mask()[700, 100] == 255
    assert result.drivable_mask()[100, 100] == 0
    assert result.lane_mask()[650, 640] == 255
    assert min(result.times.pre_ms, result.times.network_ms, result.times.post_ms) > 0
    assert result.engine == perceiver.engine.info
    np.testing.assert_array_equal(scene, before)


def test_call__no_road_user(perceiver):
    result = perceiver(np.full((90, 160, 3), 40, np.uint8))
    assert len(result.detections) == 0
    assert result.detections.boxes.shape == (0, 4)
    assert not result.drivable_mask().any()


@pytest.mark.parametrize('shape', [(1, 1), (1, 900), (900, 1), (384, 640), (600, 300)])
def test_call__any_size(perceiver, shape):
    result = perceiver(np.full((*shape, 3), 200, np.uint8))
    assert result.drivable_mask().shape == result.lane_mask().shape == shape
    assert (result.drivable_mask() == 255).all()


def peak_of(work):
    """Return the most bytes that Python and NumPy held at once beside what was there."""
    work()
    tracemalloc.start()
    kept = work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return kept, peak


@pytest.mark.parametrize(
    ('engine', 'outputs'),
    [
        ('onnxruntime', 0),  # hands out memory of its own
        pytest.param(
            'openvino',
            2 * 384 * 640,
            marks=pytest.mark.skipif(not find_spec('openvino'), reason='openvino is missing'),
        ),
    ],
)
def test_call__allocates_no_image(tiny_model, engine, outputs):
    perceiver = Perceiver(load_engine(tiny_model, engine=engine, device='cpu'))
    image = np.full((2160, 3840, 3), 90, np.uint8)
    _, peak = peak_of(lambda: perceiver(image))
    assert peak < outputs + 100_000  # the network's input alone is 737 kB


def test_call__masks_of_the_source_are_allocated_once(perceiver, scene):
    result = perceiver(scene)
    for mask in (result.drivable_mask, result.lane_mask):
        found, peak = peak_of(mask)
        assert found.nbytes <= peak < 1.05 * found.nbytes
        _, peak = peak_of(lambda mask=mask: mask('model'))
        assert peak < 1.05 * result.lane_probability.size


def test_call__results_do_not_depend_on_the_image_before(perceiver, scene):
    tall = np.full((900, 300, 3), 255, np.uint8)
    first = perceiver(scene)
    drivable = first.drivable_probability.copy()
    perceiver(tall)
    again = perceiver(scene)
    np.testing.assert_array_equal(first.drivable_probability, drivable)
    np.testing.assert_array_equal(again.drivable_probability, drivable)
    np.testing.assert_array_equal(again.detections.boxes, first.detections.boxes)


def test_thresholds__hold_from_the_next_image_on(perceiver, scene):
    defaults = perceiver.thresholds
    assert defaults == Thresholds(score=0.3, drivable=0.5, lane=0.5)
    perceiver.thresholds = Thresholds(score=0.75, drivable=0.9, lane=1.0)
    result = perceiver(scene)
    assert result.detections.labels.tolist() == [0, 1]
    assert not result.drivable_mask()[700, 100]
    assert not result.lane_mask()[650, 640]
    perceiver.thresholds = dataclasses.replace(defaults, score=1.0)
    assert len(perceiver(scene).detections) == 0


def test_model_of_a_fixed_batch(make_model, scene):
    assert len(Perceiver(load_engine(make_model(batch=1)))(scene).detections) == 3
    with pytest.raises(ModelFileError, match=r'model\.onnx runs 4 images at a time; expected 1'):
        Perceiver(load_engine(make_model(batch=4)))


def test_call__boxes_in_the_bars_are_left_out(make_model, scene):
    # All boxes move up into the upper bar, which is 12 rows high.
    engine = load_engine(make_model(box_factor=0.02))
    assert len(Perceiver(engine)(scene).detections) == 0


def test_call__network_that_fails(make_model, scene):
    perceiver = Perceiver(load_engine(make_model(box_factor=float('nan'))))
    with pytest.raises(EngineOutputError, match='boxes'):
        perceiver(scene)
