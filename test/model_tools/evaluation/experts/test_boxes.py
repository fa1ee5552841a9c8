# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.evaluation.experts.boxes import label_scores, strongest_boxes
from panoptic_perception.core.letterbox import Letterbox

SAME = Letterbox((100, 100), (100, 100))
A = [10, 10, 30, 30]
NEAR_A = [11, 10, 31, 30]  # IoU with A: 380 / 420
HALF_A = [10, 10, 30, 22]  # IoU with A: 0.6, not above it


def test_label_scores__best_class_of_each_label():
    scores = np.zeros((2, 80), np.float32)
    scores[0, [0, 1, 2, 3, 5, 6, 7, 9]] = 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.99
    np.testing.assert_array_equal(label_scores(scores), np.float32([[0.7, 0.1, 0.4], [0, 0, 0]]))


@pytest.mark.parametrize(
    ('boxes', 'scores', 'expected'),
    [
        ([], [], []),
        ([A], [[0.04, 0, 0]], []),
        ([A], [[0.05, 0, 0]], [(A, 0)]),
        ([NEAR_A, A], [[0.8, 0, 0], [0.9, 0, 0]], [(A, 0)]),
        ([NEAR_A, A], [[0.8, 0, 0], [0, 0.9, 0]], [(A, 1), (NEAR_A, 0)]),
        ([A], [[0.3, 0, 0.4]], [(A, 2), (A, 0)]),
        ([A, HALF_A], [[0.9, 0, 0], [0.8, 0, 0]], [(A, 0), (HALF_A, 0)]),
        ([[-5, 90, 20, 120]], [[0.9, 0, 0]], [([0, 90, 20, 100], 0)]),
        ([[-50, 10, -20, 30]], [[0.9, 0, 0]], []),
    ],
)
def test_strongest_boxes(boxes, scores, expected):
    found = strongest_boxes(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32).reshape(-1, 3),
        SAME,
    )
    assert found.boxes.tolist() == [box for box, _ in expected]
    assert found.labels.tolist() == [label for _, label in expected]
    assert (found.boxes.dtype, found.boxes.shape[1:]) == (np.float32, (4,))
    assert (found.scores.dtype, found.labels.dtype) == (np.float32, np.int64)


def test_strongest_boxes__at_most_300_the_best_ones():
    x, y = np.meshgrid(np.arange(18) * 5, np.arange(18) * 5)
    corners = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)
    scores = np.linspace(0.1, 0.9, len(corners), dtype=np.float32)[:, None]
    found = strongest_boxes(np.concatenate([corners, corners + 4], axis=1), scores, SAME)
    np.testing.assert_array_equal(found.scores, scores[:-301:-1, 0])
