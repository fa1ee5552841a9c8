# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model_tools.evaluation.lane_distance import LaneDistanceCounts

NOTHING = {'precision': None, 'recall': None, 'f1': None}
U = 127  # unknown


def _line(first, *, width=1, value=255):
    mask = np.zeros((20, 40), np.uint8)
    mask[:, first : first + width] = value
    return mask


def _scores(label, prediction, tolerance_px=4.0):
    counts = LaneDistanceCounts(tolerance_px)
    counts.add(label, prediction)
    return counts.scores()


EMPTY = _line(0, width=0)


@pytest.mark.parametrize(
    ('label', 'prediction', 'expected'),
    [
        (EMPTY, EMPTY, (None, None, None)),
        (EMPTY, _line(9), (0, None, 0)),
        (_line(9), EMPTY, (0, 0, 0)),
        (_line(9), _line(9), (1, 1, 1)),
        (_line(9), _line(12), (1, 1, 1)),
        (_line(9), _line(13), (1, 1, 1)),
        (_line(9), _line(14), (0, 0, 0)),
        # Two columns moved by 5: one of each pair is 4 from the nearest of the other line.
        (_line(9, width=2), _line(14, width=2), (0.5, 0.5, 0.5)),
        # Ten columns around one: 9 of them are within 4 px, and the line is found.
        (_line(14), _line(10, width=10), (0.9, 1, 2 * 0.9 / 1.9)),
        (_line(0, width=40, value=U), _line(9), (None, None, None)),
    ],
)
def test_scores(label, prediction, expected):
    precision, recall, f1 = expected
    f1 = None if f1 is None else round(f1, 4)
    assert _scores(label, prediction) == {'precision': precision, 'recall': recall, 'f1': f1}
    assert _scores(label, prediction > 0) == _scores(label, prediction)


@pytest.mark.parametrize(
    ('offset', 'near'),
    [((4, 0), True), ((3, 2), True), ((2, 3), True), ((3, 3), False), ((4, 1), False)],
)
def test_scores__the_distance_is_euclidean(offset, near):
    label, prediction = np.zeros((2, 20, 20), np.uint8)
    label[8, 8] = prediction[8 + offset[0], 8 + offset[1]] = 255
    assert _scores(label, prediction)['precision'] == float(near)


@pytest.mark.parametrize(('tolerance', 'precision'), [(0, 0), (2.5, 0), (3, 1), (3.5, 1)])
def test_scores__tolerance(tolerance, precision):
    assert _scores(_line(9), _line(12), tolerance)['precision'] == precision


def test_scores__a_line_in_ignore_neither_counts_nor_confirms():
    label = _line(9)
    label[:, 11:] = U
    # The find at 11 is within reach of the line, but nobody knows what is there.
    assert _scores(label, _line(11)) == {'precision': 0, 'recall': 0, 'f1': 0}
    assert _scores(label, _line(8) | _line(30)) == {'precision': 1, 'recall': 1, 'f1': 1}


def test_scores__of_some_images():
    counts = LaneDistanceCounts()
    assert counts.scores() == NOTHING
    counts.add(_line(9), _line(9))
    counts.add_missing()
    counts.add(_line(9), _line(20))
    assert len(counts) == 3
    np.testing.assert_array_equal(counts.counts, [[20] * 4, [0] * 4, [20, 0, 20, 0]])
    assert counts.scores()['precision'] == 0.5
    assert counts.scores(np.array([True, True, False]))['f1'] == 1
    assert counts.scores(np.array([False, True, False])) == NOTHING
    assert counts.scores(np.zeros(3, bool)) == NOTHING


lanes = hnp.arrays(np.uint8, (12, 17), elements=st.sampled_from([0] * 8 + [U, 255]))


@given(lanes, lanes, st.sampled_from([0.0, 1.0, 1.5, 4.0]))
def test_counts__equal_those_of_a_distance_transform(label, prediction, tolerance):
    counts = LaneDistanceCounts(tolerance)
    counts.add(label, prediction)
    labelled, found = label == 255, (prediction > 0) & (label != U)

    def near(chosen, others):
        if not others.any():
            return 0
        away = (~others).astype(np.uint8)
        distance = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        return (distance[chosen] <= tolerance + 1e-4).sum()

    expected = [found.sum(), near(found, labelled), labelled.sum(), near(labelled, found)]
    np.testing.assert_array_equal(counts.counts, [expected])


@given(lanes, lanes, lanes)
def test_scores__ignore_whatever_is_found_on_unknown_pixels(label, prediction, other):
    changed = np.where(label == U, other, prediction)
    assert _scores(label, prediction) == _scores(label, changed)
