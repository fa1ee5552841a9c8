# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.evaluation.detection import BoxResult, BoxTruth, average_precision

NONE = np.empty((0, 4))


def _truth(boxes, crowd=None):
    boxes = np.array(boxes, float).reshape(-1, 4)
    flags = np.zeros(len(boxes), bool) if crowd is None else np.array(crowd, bool)
    return BoxTruth(boxes, np.zeros(len(boxes), int), flags)


def _found(boxes, scores):
    boxes = np.array(boxes, float).reshape(-1, 4)
    return BoxResult(boxes, np.array(scores, float), np.zeros(len(boxes), int))


G0, G1 = [0, 0, 20, 20], [100, 0, 120, 20]


@pytest.mark.parametrize(
    ('truth', 'found', 'ap50'),
    [
        (_truth(NONE), _found(NONE, []), None),
        (_truth(NONE), _found([G0], [0.9]), None),
        (_truth([G0]), _found(NONE, []), 0.0),
        (_truth([G0]), _found([G0], [0.9]), 1.0),
        (_truth([G0, G1]), _found([G0], [0.9]), 0.505),  # 51 of 101 recall points
        (_truth([G0]), _found([G1, G0], [0.9, 0.8]), 0.5),
        # a crowd region swallows any number of boxes
        (_truth([G0, [90, 0, 200, 50]], [0, 1]), _found([G1, G1, G0], [0.9, 0.8, 0.7]), 1.0),
        # low boxes are ignored on both sides
        (_truth([G0, [50, 0, 60, 10]]), _found([[80, 0, 90, 10], G0], [0.9, 0.8]), 1.0),
    ],
)
def test_average_precision(truth, found, ap50):
    result = average_precision([truth], [found], ['vehicle'])['vehicle']
    assert result['ap50'] == (None if ap50 is None else pytest.approx(ap50, abs=1e-3))


def test_average_precision__best_f1_score_is_the_score_of_the_last_useful_box():
    truth = _truth([G0, G1])
    found = _found([G0, G1, [200, 0, 220, 20]], [0.9, 0.4, 0.3])
    result = average_precision([truth], [found], ['vehicle'])
    assert result['vehicle']['best_f1_score'] == 0.4
