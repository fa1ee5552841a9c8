# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_tools.data.augmentation.mosaic import cell_matrix, cells, random_centre, random_place

WH = (640, 384)


def test_cells__tile_the_picture():
    covered = np.zeros(WH[::-1], int)
    for x1, y1, x2, y2 in cells((200, 150), WH):
        covered[y1:y2, x1:x2] += 1
    assert (covered == 1).all()


@pytest.mark.parametrize(
    ('cell', 'zoom', 'offset', 'scale', 'corner'),
    [
        # The size of the picture itself: a cell shows a part of it as it is.
        ((0, 0, 320, 192), 1, (0, 0), 1, (0, 0)),
        ((0, 0, 320, 192), 1, (1, 1), 1, (-320, -192)),
        ((320, 192, 640, 384), 1, (0.5, 0), 1, (160, 192)),
        # The least size that covers the cell.
        ((320, 192, 640, 384), 0, (0.3, 0.9), 0.5, (320, 192)),
        ((0, 0, 320, 288), 0, (0, 0), 0.75, (0, 0)),
        ((0, 0, 320, 288), 0, (1, 1), 0.75, (-160, 0)),
        # Half way between 0.25 and 1, in the logarithm.
        ((0, 0, 160, 96), 0.5, (1, 1), 0.5, (-160, -96)),
    ],
)
def test_cell_matrix(cell, zoom, offset, scale, corner):
    matrix = cell_matrix(cell, WH, zoom, np.array(offset))
    np.testing.assert_allclose(matrix, [[scale, 0, corner[0]], [0, scale, corner[1]], [0, 0, 1]])


@given(st.integers(0, 10**6))
def test_random_place__covers_its_cell(seed):
    rng = np.random.default_rng(seed)
    centre = random_centre(WH, rng)
    assert centre[0] % 2 == centre[1] % 2 == 0
    for cell in cells(centre, WH):
        matrix = random_place(cell, WH, rng)
        corners = matrix @ np.array([[0, 640], [0, 384], [1, 1]])
        assert (corners[:2, 0] <= np.array(cell[:2]) + 1e-9).all()
        assert (corners[:2, 1] >= np.array(cell[2:]) - 1e-9).all()
