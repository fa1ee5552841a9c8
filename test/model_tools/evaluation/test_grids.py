# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model_tools.evaluation.grids import dilate_lane, grid_wh, label_on_grid, plane_on_grid

HD = (1280, 720)
U = 127  # unknown

masks = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40),
    elements=st.sampled_from([0, U, 255]),
)


def _column_line(first, *, width=2, wh=HD, value=255):
    mask = np.zeros(wh[::-1], np.uint8)
    mask[:, first : first + width] = value
    return mask


@pytest.mark.parametrize(
    ('source_wh', 'grid', 'expected'),
    [
        (HD, 'native', HD),
        (HD, 'content', (640, 360)),
        (HD, 'stretch640', (640, 640)),
        ((1920, 1208), 'content', (610, 384)),
        ((640, 480), 'content', (512, 384)),
        ((480, 360), 'stretch640', (640, 640)),
    ],
)
def test_grid_wh(source_wh, grid, expected):
    assert grid_wh(source_wh, grid) == expected
    plane = np.zeros((384, 640), np.uint8)
    assert plane_on_grid(plane, source_wh, grid).shape == expected[::-1]
    label = np.zeros(source_wh[::-1], np.uint8)
    for resize in ('area_any', 'bilinear'):
        assert label_on_grid(label, grid, resize=resize).shape == expected[::-1]


@pytest.mark.parametrize(
    ('grid', 'resize'),
    [('content', 'area_any'), ('stretch640', 'area_any'), ('content', 'bilinear')],
)
@pytest.mark.parametrize(
    ('first', 'columns'),
    [
        (4, [2]),  # columns 4 and 5 become one full column
        (5, [2, 3]),  # columns 5 and 6 become two halves, both kept: twice as wide
    ],
)
def test_label_on_grid__halving_a_line_of_2_px(grid, resize, first, columns):
    label = label_on_grid(_column_line(first), grid, resize=resize)
    np.testing.assert_array_equal(np.unique(label), [0, 255])
    np.testing.assert_array_equal(np.flatnonzero(label.any(axis=0)), columns)
    assert label[:, columns].all()


def test_label_on_grid__a_box_in_the_square():
    mask = np.zeros(HD[::-1], np.uint8)
    mask[200:400, 100:300] = 255
    rows, columns = np.nonzero(label_on_grid(mask, 'stretch640', resize='area_any'))
    assert (columns.min(), columns.max() + 1) == (50, 150)
    # 177.8 to 355.6, each row that is touched.
    assert (rows.min(), rows.max() + 1) == (177, 356)


def test_label_on_grid__a_line_of_8_px_in_the_square():
    even = label_on_grid(_column_line(4, width=8), 'stretch640', resize='bilinear')
    np.testing.assert_array_equal(np.flatnonzero(even.all(axis=0)), [2, 3, 4, 5])
    # Columns 5 to 12 fill three columns and half of one on either side, which OpenCV may round.
    odd = label_on_grid(_column_line(5, width=8), 'stretch640', resize='bilinear')
    assert {3, 4, 5} <= set(np.flatnonzero(odd.all(axis=0)))
    assert set(np.flatnonzero(odd.any(axis=0))) <= {2, 3, 4, 5, 6}


@pytest.mark.parametrize(
    ('block', 'area_any', 'bilinear'),
    [  # 2 x 2 source pixels become one
        ([[0, 0], [0, 0]], 0, 0),
        ([[0, 0], [0, 255]], 255, 0),
        ([[0, 0], [255, 255]], 255, 255),
        ([[U, U], [U, U]], U, U),
        ([[0, 0], [0, U]], U, 0),  # a quarter would not make a lane: known to be 0
        ([[0, 0], [U, U]], U, U),
        ([[0, U], [U, 255]], 255, U),
        ([[0, U], [0, 255]], 255, U),  # a half if the unknown quarter is lane
        ([[U, U], [255, 255]], 255, 255),
    ],
)
def test_label_on_grid__ignored_pixels(block, area_any, bilinear):
    mask = np.tile(np.array(block, np.uint8), (360, 640))
    assert (label_on_grid(mask, 'content', resize='area_any') == area_any).all()
    assert (label_on_grid(mask, 'content', resize='bilinear') == bilinear).all()


@given(
    masks, st.sampled_from(['content', 'stretch640']), st.sampled_from(['area_any', 'bilinear'])
)
def test_label_on_grid__unknown_lies_between_all_lane_and_no_lane(mask, grid, resize):
    before = mask.copy()
    label = label_on_grid(mask, grid, resize=resize)
    lowest = label_on_grid(np.where(mask == U, np.uint8(0), mask), grid, resize=resize)
    highest = label_on_grid(np.where(mask == U, np.uint8(255), mask), grid, resize=resize)
    np.testing.assert_array_equal(np.where(lowest == highest, lowest, U), label)
    np.testing.assert_array_equal(mask, before)
    assert label_on_grid(mask, 'native', resize=resize) is mask


def test_label_on_grid__a_grid_of_source_size_changes_nothing():
    mask = np.random.default_rng(0).choice(np.array([0, U, 255], np.uint8), (360, 640))
    for resize in ('area_any', 'bilinear'):
        np.testing.assert_array_equal(label_on_grid(mask, 'content', resize=resize), mask)


def test_plane_on_grid__is_interpolated_before_any_threshold():
    plane = np.array([[0, 200]], np.uint8)
    # Pixel centres of twice the width lie at -0.25, 0.25, 0.75 and 1.25 of the plane's.
    np.testing.assert_array_equal(plane_on_grid(plane, (4, 1), 'native'), [[0, 50, 150, 200]])


def test_plane_on_grid__a_plane_on_the_grid_stays_as_it_is():
    plane = np.random.default_rng(0).integers(0, 256, (360, 640), dtype=np.uint8)
    np.testing.assert_array_equal(plane_on_grid(plane, HD, 'content'), plane)


@pytest.mark.parametrize(
    ('wh', 'width', 'kernel', 'expected'),
    [
        (HD, 2, 7, 8),
        (HD, 2, 1, 2),
        (HD, 2, 3, 4),
        ((640, 360), 1, 7, 5),  # a reach of 1.5 px, rounded up
        ((2560, 1440), 4, 7, 16),
        ((3840, 2160), 6, 1, 6),
        ((100, 100), 1, 7, 1),
    ],
)
def test_dilate_lane__width(wh, width, kernel, expected):
    wide = dilate_lane(_column_line(50, width=width, wh=wh), kernel)
    columns = np.flatnonzero(wide.any(axis=0))
    grown = (expected - width) // 2
    np.testing.assert_array_equal(columns, np.arange(50 - grown, 50 + width + grown))


def test_dilate_lane__is_a_square():
    mask = np.zeros(HD[::-1], np.uint8)
    mask[100, 200] = 255
    rows, columns = np.nonzero(dilate_lane(mask, 7))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (97, 103, 197, 203)
    assert len(rows) == 49


def test_dilate_lane__lane_wins_over_ignore_and_ignore_over_background():
    mask = np.zeros((1, 1280), np.uint8)
    mask[0, 100:120] = U
    mask[0, 120:122] = 255
    wide = dilate_lane(mask, 7)[0]
    np.testing.assert_array_equal(np.flatnonzero(wide == 255), np.arange(117, 125))
    np.testing.assert_array_equal(np.flatnonzero(wide == U), np.arange(97, 117))


@given(masks, st.integers(1, 15))
def test_dilate_lane__only_grows(mask, kernel):
    wide = np.kron(mask, np.ones((1, 64), np.uint8))
    before = wide.copy()
    grown = dilate_lane(wide, kernel)
    assert (grown >= wide).all()
    np.testing.assert_array_equal(wide, before)
