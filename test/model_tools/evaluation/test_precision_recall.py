# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from model_tools.evaluation.precision_recall import (
    average_precision,
    best_f1_score,
    curve_scores,
    max_recall,
    operating_point,
    precision_recall_curve,
    recall_at_precision,
    sampled_envelope,
)


def _curve(hits, boxes, scores=None):
    if scores is None:
        scores = np.linspace(0.9, 0.1, len(hits))
    return precision_recall_curve(np.array(scores, float), np.array(hits, bool), boxes)


@pytest.mark.parametrize(
    ('hits', 'boxes', 'recall', 'precision', 'tail001', 'tail1', 'coco', 'reached'),
    [
        ([], 2, [], [], 0, 0, 0, 0),
        ([0, 0], 2, [0, 0], [0, 0], 0, 0, 0, 0),
        (
            [1, 0, 1],
            3,
            [1 / 3, 1 / 3, 2 / 3],
            [1, 1 / 2, 2 / 3],
            0.5550,
            0.6672,
            0.554455,
            2 / 3,
        ),
        # the two points at recall 1: a perfect detector has 0.995 under `tail1`
        ([1, 1], 2, [1 / 2, 1], [1, 1], 1.0, 0.9950, 1.0, 1),
        ([1], 2, [1 / 2], [1], 0.5050, 0.7500, 0.504950, 1 / 2),
        ([0, 1], 1, [0, 1], [0, 1 / 2], 0.5000, 0.4975, 0.5000, 1),
    ],
)
def test_average_precision(hits, boxes, recall, precision, tail001, tail1, coco, reached):
    curve = _curve(hits, boxes)
    np.testing.assert_allclose(curve.recall, recall)
    np.testing.assert_allclose(curve.precision, precision)
    assert average_precision(curve, 'coco') == pytest.approx(coco, abs=1e-6)
    assert max_recall(curve) == pytest.approx(reached)
    assert average_precision(curve, 'tail001') == pytest.approx(tail001, abs=5e-5)
    assert average_precision(curve, 'tail1') == pytest.approx(tail1, abs=5e-5)


def test_precision_recall_curve__no_boxes():
    with pytest.raises(ValueError, match='needs a labelled box, found 0'):
        _curve([1], 0)


@pytest.mark.parametrize(
    ('score', 'precision', 'recall', 'f1'),
    [
        (1.0, 0, 0, 0),
        (0.9, 1, 1 / 3, 0.5),
        (0.5, 1 / 2, 1 / 3, 0.4),
        (0.3, 2 / 3, 2 / 3, 2 / 3),
        (0.0, 2 / 3, 2 / 3, 2 / 3),
    ],
)
def test_operating_point(score, precision, recall, f1):
    point = operating_point(_curve([1, 0, 1], 3, [0.9, 0.8, 0.3]), score)
    assert point == pytest.approx({'precision': precision, 'recall': recall, 'f1': f1})


def test_operating_point__no_detections():
    assert operating_point(_curve([], 3), 0.5) == {'precision': 0, 'recall': 0, 'f1': 0}


@pytest.mark.parametrize(
    ('hits', 'scores', 'at_90', 'best'),
    [
        ([], [], 0, None),
        ([0], [0.9], 0, None),
        ([1, 0, 1], [0.9, 0.8, 0.3], 1 / 4, 0.3),
        ([1, 1, 0], [0.9, 0.4, 0.3], 2 / 4, 0.4),
        ([0, 1], [0.9, 0.8], 0, 0.8),
        # no threshold parts equal scores: the hit cannot be had without the false one
        ([1, 0], [0.9, 0.9], 0, 0.9),
        # nine of ten is 0.9 exactly
        ([1] * 4 + [0], [0.9, 0.8, 0.7, 0.6, 0.5], 1, 0.6),
    ],
)
def test_chosen_thresholds(hits, scores, at_90, best):
    curve = _curve(hits, 4, scores)
    assert recall_at_precision(curve, 0.9) == pytest.approx(at_90)
    assert best_f1_score(curve) == best


def test_recall_at_precision__equal_counts():
    assert recall_at_precision(_curve([1] * 8 + [0, 1], 10), 0.9) == pytest.approx(0.9)


def test_sampled_envelope():
    recall, precision, score = sampled_envelope(_curve([1, 0, 1], 3, [0.9, 0.8, 0.3]))
    np.testing.assert_allclose(recall, np.arange(67) / 100)
    np.testing.assert_allclose(precision, [1] * 34 + [2 / 3] * 33)
    np.testing.assert_allclose(score, [0.9] * 34 + [0.3] * 33)


def test_sampled_envelope__no_detections():
    assert [len(column) for column in sampled_envelope(_curve([], 1))] == [0, 0, 0]


def test_curve_scores__same_keys_without_labelled_boxes():
    some, none = curve_scores(_curve([1], 1)), curve_scores(None)
    assert none == {
        'max_recall': None,
        'at': {s: {'precision': None, 'recall': None, 'f1': None} for s in ('0.25', '0.5')},
        'recall_at_precision_0.9': None,
        'best_f1_score': None,
    }
    assert (list(some), list(some['at'])) == (list(none), list(none['at']))
    assert list(some['at']['0.5']) == list(none['at']['0.5'])
