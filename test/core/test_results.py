# SPDX-License-Identifier: Apache-2.0
"""Thresholds at their exact edge, masks at both sizes."""

from __future__ import annotations

import numpy as np
import pytest

from panoptic_perception.core.results import (
    Detections,
    EngineInfo,
    PanopticResult,
    StageTimes,
    Thresholds,
)


def result(drivable, lane, *, source_wh, thresholds=None) -> PanopticResult:
    return PanopticResult(
        source_wh=source_wh,
        labels=('vehicle',),
        detections=Detections(
            np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int64)
        ),
        drivable_probability=np.asarray(drivable, np.uint8),
        lane_probability=np.asarray(lane, np.uint8),
        thresholds=thresholds or Thresholds(0.3, 0.5, 0.5),
        times=StageTimes(1, 2, 3),
        engine=EngineInfo('onnxruntime', 'CPUExecutionProvider', 'fp32', 1),
    )


@pytest.mark.parametrize(
    ('threshold', 'lowest'),
    [(0, 0), (0.2, 51), (0.3, 77), (0.5, 128), (0.6, 153), (1, 255)],
)
def test_masks__threshold_is_inclusive(threshold, lowest):
    every_value = np.arange(256).reshape(16, 16)
    thresholds = Thresholds(0, threshold, threshold)
    found = result(every_value, every_value, source_wh=(16, 16), thresholds=thresholds)
    for mask in (found.drivable_mask('model'), found.lane_mask('model'), found.lane_mask()):
        assert mask.dtype == np.uint8
        np.testing.assert_array_equal(mask.ravel(), [0] * lowest + [255] * (256 - lowest))


def test_masks__source_size_interpolates_before_the_threshold():
    # Enlarged four times, the probability falls from 240 to 0 and passes 128 halfway.
    found = result([[240, 0]], [[0, 240]], source_wh=(8, 4))
    assert found.drivable_mask('model').tolist() == [[255, 0]]
    assert found.drivable_mask().tolist() == [[255] * 4 + [0] * 4] * 4
    assert found.lane_mask('source').tolist() == [[0] * 4 + [255] * 4] * 4


def test_masks__unknown_resolution():
    with pytest.raises(ValueError, match="'half'"):
        result([[0]], [[0]], source_wh=(1, 1)).drivable_mask('half')


def test_lanes__are_in_source_pixels():
    lane = np.zeros((36, 64), np.uint8)
    lane[4:30, 10:14] = 200
    (line,) = result(lane, lane, source_wh=(128, 108)).lanes()
    np.testing.assert_allclose(line, [[24, 13.5], [24, 88.5]])


@pytest.mark.parametrize(
    ('boxes', 'scores', 'labels'),
    [((2, 4), (1,), (1,)), ((1, 5), (1,), (1,)), ((1, 4), (1,), (1, 1)), ((4,), (1,), (1,))],
)
def test_detections__refuses_other_shapes(boxes, scores, labels):
    with pytest.raises(ValueError, match='detections need shapes'):
        Detections(np.zeros(boxes), np.zeros(scores), np.zeros(labels))


def test_detections__length():
    assert len(Detections(np.zeros((3, 4)), np.zeros(3), np.zeros(3))) == 3


@pytest.mark.parametrize('value', [-0.01, 1.01, float('nan'), float('inf')])
@pytest.mark.parametrize('name', ['score', 'drivable', 'lane'])
def test_thresholds__refuses_values_outside_0_to_1(name, value):
    with pytest.raises(ValueError, match=f"threshold '{name}'"):
        Thresholds(**({'score': 0.5, 'drivable': 0.5, 'lane': 0.5} | {name: value}))


def test_stage_times__total():
    assert StageTimes(1, 2, 3.5).total_ms == 6.5
