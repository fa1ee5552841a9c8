# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_tools.evaluation.matching import IOU_THRESHOLDS, box_overlap, match_boxes

RULES = ('best_gt_strict', 'best_gt', 'coco')


def _boxes(*boxes):
    return np.array(boxes, float).reshape(-1, 4)


@pytest.mark.parametrize(
    ('found', 'truth', 'crowd', 'expected'),
    [
        (_boxes(), _boxes(), [], np.empty((0, 0))),
        (_boxes([0, 0, 10, 10]), _boxes(), [], np.empty((1, 0))),
        (_boxes(), _boxes([0, 0, 10, 10]), [False], np.empty((0, 1))),
        (_boxes([0, 0, 10, 10]), _boxes([5, 0, 15, 10]), [False], [[1 / 3]]),
        (_boxes([0, 0, 10, 10]), _boxes([0, 0, 10, 5]), [False], [[1 / 2]]),
        (_boxes([0, 0, 10, 10]), _boxes([10, 0, 20, 10]), [False], [[0]]),
        (_boxes([0, 0, 10, 10]), _boxes([20, 20, 30, 30]), [False], [[0]]),
        # the share of the found box that lies in a crowd region
        (_boxes([0, 0, 10, 10]), _boxes([5, 0, 105, 100]), [True], [[1 / 2]]),
        (_boxes([5, 5, 5, 5]), _boxes([5, 5, 5, 5], [0, 0, 9, 9]), [False, True], [[0, 0]]),
    ],
)
def test_box_overlap(found, truth, crowd, expected):
    result = box_overlap(found, truth, np.array(crowd, bool))
    assert result.shape == np.shape(expected)
    np.testing.assert_allclose(result, expected)


G0, G1 = [0, 0, 10, 10], [4, 0, 14, 10]
FAR = [50, 50, 60, 60]


def _match(found, truth, rule, *, crowd=(), ignored=(), thresholds=(0.5,)):
    """Match with the boxes of some indices being crowd regions or ignored."""
    crowd = np.isin(np.arange(len(truth)), crowd)
    ignored = crowd | np.isin(np.arange(len(truth)), ignored)
    hit, left_out = match_boxes(
        box_overlap(_boxes(*found), _boxes(*truth), crowd),
        crowd=crowd,
        ignored=np.tile(ignored, (len(thresholds), 1)),
        thresholds=np.array(thresholds),
        rule=rule,
    )
    assert not (hit & left_out).any()
    # h: hits, -: left out, x: false
    rows = np.where(hit, 'h', np.where(left_out, '-', 'x'))
    return [''.join(row) for row in rows]


@pytest.mark.parametrize(
    ('found', 'truth', 'strict', 'best', 'coco'),
    [
        ([], [], [], [], []),
        ([], [G0], [], [], []),
        ([G0], [], 'x', 'x', 'x'),
        ([FAR], [G0], 'x', 'x', 'x'),
        ([G0], [G0], 'h', 'h', 'h'),
        # IoU exactly 0.5
        ([[0, 0, 10, 5]], [G0], 'x', 'h', 'h'),
        # a second detection of the same box
        ([G0, G0], [G0], 'hx', 'hx', 'hx'),
        # IoU of the second is 9/11 with G0 and 7/13 with G1: only COCO lets it take G1
        ([G0, [1, 0, 11, 10]], [G0, G1], 'hx', 'hx', 'hh'),
        # the most confident claims the box, not the one that fits best
        ([[1, 0, 11, 10], G0], [G0], 'hx', 'hx', 'hx'),
    ],
)
def test_match_boxes(found, truth, strict, best, coco):
    for rule, expected in zip(RULES, (strict, best, coco), strict=True):
        assert _match(found, truth, rule) == list(expected)


@pytest.mark.parametrize(
    ('rule', 'expected'),
    # p1 (IoU 9/11) is first in confidence, p2 (IoU 1) second. At 0.85 p1 no longer fits:
    # under `best_gt_strict` it still owns the box.
    [('best_gt_strict', ['hx', 'xx']), ('best_gt', ['hx', 'xh']), ('coco', ['hx', 'xh'])],
)
def test_match_boxes__claim_at_higher_thresholds(rule, expected):
    assert _match([[1, 0, 11, 10], G0], [G0], rule, thresholds=(0.5, 0.85)) == expected


CROWD = [100, 0, 200, 100]
IN_CROWD = [110, 10, 130, 30]


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize(
    ('found', 'truth', 'crowd', 'ignored', 'expected'),
    [
        # a crowd region absorbs any number of detections
        ([IN_CROWD, IN_CROWD], [CROWD], [0], [], '--'),
        ([IN_CROWD, FAR], [G0, CROWD], [1], [], '-x'),
        # on a crowd region and a free box: the box is hit, wherever it stands in the list
        ([IN_CROWD], [IN_CROWD, CROWD], [1], [], 'h'),
        ([IN_CROWD], [CROWD, IN_CROWD], [0], [], 'h'),
        # the duplicate falls to the crowd region
        ([IN_CROWD, IN_CROWD], [CROWD, IN_CROWD], [0], [], 'h-'),
        # less than half in the crowd region
        ([[60, 0, 120, 10]], [CROWD], [0], [], 'x'),
        # the detection fits the ignored box better, and yet hits the one that counts
        ([[1, 0, 11, 10]], [G0, G1], [], [0], 'h'),
        ([G0, G1], [G0, G1], [], [0], '-h'),
        ([G0], [G0], [], [0], '-'),
        ([FAR], [G0], [], [0], 'x'),
    ],
)
def test_match_boxes__ignored(rule, found, truth, crowd, ignored, expected):
    assert _match(found, truth, rule, crowd=crowd, ignored=ignored) == list(expected)


@pytest.mark.parametrize(
    ('rule', 'expected'), [('best_gt_strict', '--'), ('best_gt', '--'), ('coco', '-x')]
)
def test_match_boxes__only_coco_lets_an_ignored_box_be_taken(rule, expected):
    assert _match([G0, G0], [G0], rule, ignored=[0]) == list(expected)


def test_match_boxes__each_matching_has_its_own_ignores():
    hit, left_out = match_boxes(
        np.array([[1.0]]),
        crowd=np.array([False]),
        ignored=np.array([[False], [True]]),
        thresholds=np.array([0.5, 0.5]),
        rule='coco',
    )
    assert (hit.tolist(), left_out.tolist()) == ([[True, False]], [[False, True]])


def _best_by_loops(overlap, thresholds, strict):
    """Walk the detections as the rules are told in words, without ignored boxes."""
    hit = np.zeros((len(overlap), len(thresholds)), bool)
    for t, threshold in enumerate(thresholds):
        owned = set()
        for d, row in enumerate(overlap):
            best = int(row.argmax())
            claims = row[best] > 0.5 if strict else row[best] >= threshold
            if claims and best not in owned:
                owned.add(best)
                hit[d, t] = row[best] > threshold if strict else True
    return hit


@given(seed=st.integers(0, 2**32 - 1), strict=st.booleans())
def test_match_boxes__best_gt_walked_in_loops(seed, strict):
    rng = np.random.default_rng(seed)
    overlap = rng.uniform(0, 1, (rng.integers(1, 12), rng.integers(1, 6))).round(2)
    hit, left_out = match_boxes(
        overlap,
        crowd=np.zeros(overlap.shape[1], bool),
        ignored=np.zeros((10, overlap.shape[1]), bool),
        thresholds=IOU_THRESHOLDS,
        rule='best_gt_strict' if strict else 'best_gt',
    )
    np.testing.assert_array_equal(hit, _best_by_loops(overlap, IOU_THRESHOLDS, strict))
    assert not left_out.any()
