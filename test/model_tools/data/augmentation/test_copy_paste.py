# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_tools.data.augmentation.copy_paste import (
    MARGIN,
    Clippings,
    find_clippings,
    place_clipping,
)

WH = (160, 96)


def _find(*samples, crowd=False):
    boxes = [np.array([box for box, _ in s], np.float32).reshape(-1, 4) for s in samples]
    labels = [np.array([label for _, label in s], np.int64) for s in samples]
    return find_clippings(boxes, labels, [np.full(len(x), crowd) for x in labels], WH)


def test_find_clippings__nothing():
    assert _find([], []) == Clippings([], [])


@pytest.mark.parametrize(
    ('box', 'fits'),
    [
        ((10, 10, 30, 30), True),
        ((10, 10, 21, 30), False),  # narrow
        ((10, 10, 75, 30), False),  # wide
        ((10, 10, 30, 50), False),  # high
    ],
)
def test_find_clippings__neither_small_nor_large(box, fits):
    found = _find([], [(box, 2)])
    assert [s.tolist() for s in found.samples] == ([[1]] if fits else [])


def test_find_clippings__regions_to_ignore_are_no_objects():
    assert _find([((10, 10, 30, 30), 2)], crowd=True).samples == []


def test_clippings__each_label_comes_as_often():
    box = (10, 10, 30, 30)
    clippings = _find([(box, 0)] * 9, [(box, 0)], [(box, 2)])
    rng = np.random.default_rng(0)
    drawn = [clippings.draw(rng)[0] for _ in range(1000)]
    assert np.mean(np.array(drawn) == 2) == pytest.approx(0.5, abs=0.05)


@given(
    st.floats(0, 120), st.floats(0, 70), st.floats(12, 40), st.floats(12, 26), st.integers(0, 99)
)
def test_place_clipping__the_object_lies_in_the_region(x, y, width, height, seed):
    box = np.array([x, y, x + width, y + height])
    fit = np.diag([2.0, 2.0, 1.0])
    matrix, region = place_clipping(box, fit, (320, 192), np.random.default_rng(seed))
    x1, y1, x2, y2 = region
    assert all(side % 2 == 0 for side in region)
    assert 0 <= x1 < x2 <= 320
    assert 0 <= y1 < y2 <= 192
    left, top, _ = matrix @ [*box[:2], 1]
    right, bottom, _ = matrix @ [*box[2:], 1]
    assert (top, bottom) == (2 * box[1], 2 * box[3])
    assert x1 - 1e-6 <= left < right <= x2 + 1e-6
    assert y1 <= top < bottom <= y2
    assert bottom - top <= y2 - y1 <= (1 + 2 * MARGIN) * (bottom - top) + 4
