# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model_tools.data.augmentation import Augmentation
from model_tools.data.augmentation.geometry import (
    fit_matrix,
    move_boxes,
    random_matrix,
    sampling_grid,
    source_window,
    warp,
)

WH = (160, 96)
WHOLE = (0, 0, *WH)
STRONG = Augmentation(scale=(0.6, 1.8), shift=0.2, rotate=10, shear=10, flip=0.5)


def _warp(planes, matrices, region, window=WHOLE):
    x1, y1, x2, y2 = window
    grid = sampling_grid(matrices, region, window, torch.device('cpu'))
    return warp(planes[:, y1:y2, x1:x2], grid)


def _shift(x, y):
    return np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])


def _blob(x, y):
    """Return one plane (1, H, W, 1) with a smooth dot at a place."""
    columns, rows = np.arange(WH[0]) + 0.5, np.arange(WH[1])[:, None] + 0.5
    plane = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 2.0**2))
    return torch.from_numpy(plane[None, ..., None].astype(np.float32))


def _centre(plane):
    """Return where the weight of a plane (H, W) lies."""
    weight = plane.numpy().astype(float)
    rows, columns = np.indices(weight.shape) + 0.5
    return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()


@given(st.integers(0, 10**6), st.floats(0.35, 0.65), st.floats(0.35, 0.65))
@settings(max_examples=60, deadline=None)
def test_warp__a_dot_lands_where_the_matrix_says(seed, x, y):
    matrix = random_matrix(WH, STRONG, np.random.default_rng(seed))
    point = np.array([x * WH[0], y * WH[1], 1.0])
    expected = (matrix @ point)[:2]
    if not ((expected > 12) & (expected < np.array(WH) - 12)).all():
        return  # a dot at the border loses some of its weight
    window = source_window(matrix[None], WHOLE, WH)
    moved = _warp(_blob(*point[:2]), matrix[None], WHOLE, window)[0, 0]
    np.testing.assert_allclose(_centre(moved), expected, atol=0.1)


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_source_window__changes_nothing(seed):
    rng = np.random.default_rng(seed)
    matrices = np.stack([random_matrix(WH, STRONG, rng) for _ in range(2)])
    x1, y1 = rng.integers(0, np.array(WH) - 8)
    region = (int(x1), int(y1), int(rng.integers(x1 + 1, 161)), int(rng.integers(y1 + 1, 97)))
    planes = torch.rand(2, WH[1], WH[0], 3)
    window = source_window(matrices, region, WH)
    cut = _warp(planes, matrices, region, window)
    torch.testing.assert_close(cut, _warp(planes, matrices, region), atol=1e-3, rtol=0)


@pytest.mark.parametrize('shift', [(500, 0), (-500, 0), (0, 500), (0, -500)])
def test_source_window__nothing_in_sight(shift):
    matrices = _shift(*shift)[None]
    x1, y1, x2, y2 = window = source_window(matrices, WHOLE, WH)
    assert x1 < x2
    assert y1 < y2
    assert not _warp(torch.ones(1, WH[1], WH[0], 1), matrices, WHOLE, window).any()


def test_warp__a_region_is_a_part_of_the_whole():
    planes = torch.rand(1, WH[1], WH[0], 2)
    matrices = random_matrix(WH, STRONG, np.random.default_rng(1))[None]
    part = _warp(planes, matrices, (30, 10, 75, 62))
    whole = _warp(planes, matrices, WHOLE)
    torch.testing.assert_close(part, whole[:, :, 10:62, 30:75], atol=1e-4, rtol=0)


def test_random_matrix__no_change():
    matrix = random_matrix(WH, Augmentation(), np.random.default_rng(0))
    np.testing.assert_array_equal(matrix, np.eye(3))


def test_random_matrix__flip_keeps_the_borders():
    matrix = random_matrix(WH, Augmentation(flip=1.0), np.random.default_rng(0))
    np.testing.assert_allclose(matrix, [[-1, 0, 160], [0, 1, 0], [0, 0, 1]])


@given(st.integers(0, 10**6))
def test_random_matrix__within_its_ranges(seed):
    augmentation = Augmentation(scale=(0.5, 2.0), shift=0.1, rotate=5)
    matrix = random_matrix(WH, augmentation, np.random.default_rng(seed))
    zoom = np.sqrt(np.linalg.det(matrix[:2, :2]))
    assert 0.5 <= zoom <= 2.0
    assert abs(np.arctan2(matrix[1, 0], matrix[0, 0])) <= np.radians(5) + 1e-9
    moved = (matrix @ [80, 48, 1])[:2] - [80, 48]
    assert (np.abs(moved) <= 0.1 * max(zoom, 1) * np.array(WH) + 1e-9).all()


@pytest.mark.parametrize(
    ('canvas_wh', 'expected'),
    [
        ((160, 96), [[1, 0, 0], [0, 1, 0]]),
        ((320, 192), [[0.5, 0, 0], [0, 0.5, 0]]),
        ((320, 160), [[0.5, 0, 0], [0, 0.5, 8]]),
        ((48, 96), [[1, 0, 56], [0, 1, 0]]),
    ],
)
def test_fit_matrix(canvas_wh, expected):
    np.testing.assert_allclose(fit_matrix(canvas_wh, WH)[:2], expected)


@pytest.mark.parametrize(
    ('box', 'matrix', 'expected', 'ignored'),
    [
        ((10, 20, 30, 40), np.eye(3), (10, 20, 30, 40), False),
        ((10, 20, 30, 40), _shift(5, -2), (15, 18, 35, 38), False),
        ((10, 20, 30, 40), np.diag([2.0, 2.0, 1.0]), (20, 40, 60, 80), False),
        # A quarter turn about the origin, and on by 100 pixels.
        ((10, 20, 30, 60), [[0, -1, 100], [1, 0, 0], [0, 0, 1]], (40, 10, 80, 30), False),
        # An eighth of a turn: the ellipse of a 20x20 box is a circle.
        (
            (-10, -10, 10, 10),
            [[0.5**0.5, -(0.5**0.5), 50], [0.5**0.5, 0.5**0.5, 50], [0, 0, 1]],
            (40, 40, 60, 60),
            False,
        ),
        ((10, 20, 30, 40), _shift(-23, 0), (0, 20, 7, 40), False),  # 35 % left
        ((10, 20, 30, 40), _shift(-25, 0), (0, 20, 5, 40), True),  # 25 % left
        ((10, 20, 30, 40), _shift(143, 0), (153, 20, 160, 40), False),
        ((10, 20, 30, 40), _shift(145, 0), (155, 20, 160, 40), True),
        ((10, 20, 30, 40), _shift(-50, 0), (0, 20, 0, 40), True),  # out of sight
        ((10, 20, 12, 40), np.eye(3), (10, 20, 12, 40), True),  # too thin
        ((10, 20, 13, 40), np.eye(3), (10, 20, 13, 40), False),
    ],
)
def test_move_boxes(box, matrix, expected, ignored):
    boxes = np.array([box], np.float32)
    moved, is_ignored = move_boxes(boxes, np.array([matrix], float), np.array([WHOLE]))
    np.testing.assert_allclose(moved, [expected], atol=1e-4)
    assert moved.dtype == np.float32
    assert is_ignored.tolist() == [ignored]
    np.testing.assert_array_equal(boxes, np.array([box], np.float32))


def test_move_boxes__clipped_to_their_cells():
    boxes = np.array([[10, 20, 30, 40]] * 2, np.float32)
    regions = np.array([[0, 0, 24, 96], [24, 0, 160, 96]])
    moved, ignored = move_boxes(boxes, np.stack([np.eye(3)] * 2), regions)
    np.testing.assert_allclose(moved, [[10, 20, 24, 40], [24, 20, 30, 40]])
    assert ignored.tolist() == [False, False]


def test_move_boxes__none():
    moved, ignored = move_boxes(np.empty((0, 4)), np.empty((0, 3, 3)), np.empty((0, 4)))
    assert moved.shape == (0, 4)
    assert ignored.shape == (0,)


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_move_boxes__around_the_drawn_ellipse(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0.4, 0.6, 2) * WH
    half_w, half_h = rng.uniform(5, 12, 2)
    matrix = random_matrix(WH, STRONG, rng)
    columns, rows = np.arange(WH[0]) + 0.5, np.arange(WH[1])[:, None] + 0.5
    # The level of the rim is 0.5.
    level = 1.5 - np.hypot((columns - x) / half_w, (rows - y) / half_h)
    planes = torch.from_numpy(level[None, ..., None].astype(np.float32))
    drawn = _warp(planes, matrix[None], WHOLE)[0, 0].numpy() > 0.5
    box = np.array([[x - half_w, y - half_h, x + half_w, y + half_h]])
    moved, _ = move_boxes(box, matrix[None], np.array([WHOLE]))
    if not drawn.any() or (moved[0] == [0, 0, *WH]).any():
        return
    rows, columns = np.nonzero(drawn)
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(moved[0], found, atol=1.0)
