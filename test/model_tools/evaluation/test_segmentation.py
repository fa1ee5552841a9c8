# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.evaluation.segmentation import MaskCounts


def _counts(label, probability):
    counts = MaskCounts()
    counts.add(np.array([label], np.uint8), np.array([probability], np.uint8))
    return counts


@pytest.mark.parametrize(
    ('label', 'probability', 'iou'),
    [
        ([0, 0], [0, 0], None),
        ([127, 127], [255, 255], None),
        ([0, 0, 255, 255], [0, 255, 255, 255], 2 / 3),
        ([255, 255, 255, 255], [255, 0, 0, 0], 1 / 4),
        ([255, 127, 127, 0], [255, 255, 0, 0], 1.0),
        ([255, 255], [127, 128], 1 / 2),
    ],
)
def test_iou(label, probability, iou):
    assert _counts(label, probability).iou(0.5) == (None if iou is None else pytest.approx(iou))


def test_iou__counts_of_a_data_set_add_up():
    counts = _counts([0, 0, 255, 255], [0, 255, 255, 255])
    counts.add(np.zeros((1, 4), np.uint8), np.zeros((1, 4), np.uint8))
    counts.add(np.full((1, 4), 255, np.uint8), np.array([[255, 0, 0, 0]], np.uint8))
    assert counts.iou(0.5) == pytest.approx(3 / 7)


@pytest.mark.parametrize(
    ('label', 'probability', 'threshold'),
    [
        ([0, 0, 255, 255], [100, 150, 180, 250], 0.6),  # the nearest that separates them
        ([0, 0, 255, 255], [10, 20, 180, 250], 0.5),  # flat: no reason to leave 0.5
        ([0, 0, 255, 255], [10, 20, 60, 250], 0.2),
        ([0, 0], [10, 20], 0.5),
    ],
)
def test_best_threshold(label, probability, threshold):
    assert _counts(label, probability).best_threshold() == threshold
