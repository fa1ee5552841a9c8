# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.evaluation.experts.fitting import CornerLetterbox
from model_tools.evaluation.experts.yolox import YoloxDecoder

NETWORK_WH = (64, 32)


@pytest.mark.parametrize(
    ('source_wh', 'box'),
    [
        # Centre (2.5, 1.25) x 16 and size (2, 1) x 16: 24, 12, 56, 28 in the network.
        ((64, 32), [24, 12, 56, 28]),
        ((128, 64), [48, 24, 112, 56]),
        ((128, 40), [48, 24, 112, 40]),  # what lies in the bar below is cut off
    ],
)
def test_call__one_hot_cell(yolox_rows, source_wh, box):
    found = YoloxDecoder(NETWORK_WH)([yolox_rows], CornerLetterbox(source_wh, NETWORK_WH))
    np.testing.assert_allclose(found.boxes, [box], atol=1e-4)
    np.testing.assert_allclose(found.scores, [0.72], atol=1e-6)
    assert found.labels.tolist() == [0]
    assert found.drivable is None
    assert found.lane is None


@pytest.mark.parametrize(
    ('cell', 'stride', 'column', 'row'),
    [(0, 8, 0, 0), (9, 8, 1, 1), (31, 8, 7, 3), (32, 16, 0, 0), (41, 32, 1, 0)],
)
def test_call__cells_run_row_by_row_stride_after_stride(cell, stride, column, row):
    rows = np.zeros((1, 42, 85), np.float32)
    rows[0, cell, [0, 1, 4, 5]] = 0.5, 0.5, 1.0, 1.0  # a person of one cell's size
    found = YoloxDecoder(NETWORK_WH)([rows], CornerLetterbox(NETWORK_WH, NETWORK_WH))
    corner = np.array([column, row]) * stride
    np.testing.assert_allclose(found.boxes, [[*corner, *(corner + stride)]], atol=1e-4)
    assert found.labels.tolist() == [1]


def test_call__nothing_found():
    rows = np.zeros((1, 42, 85), np.float32)
    rows[0, :, 4] = 0.9
    found = YoloxDecoder(NETWORK_WH)([rows], CornerLetterbox(NETWORK_WH, NETWORK_WH))
    assert (found.boxes.shape, found.scores.shape, found.labels.shape) == ((0, 4), (0,), (0,))


def test_call__leaves_the_outputs_as_they_are(yolox_rows):
    before = yolox_rows.copy()
    YoloxDecoder(NETWORK_WH)([yolox_rows], CornerLetterbox(NETWORK_WH, NETWORK_WH))
    np.testing.assert_array_equal(yolox_rows, before)


def test_output_shapes__as_published():
    assert YoloxDecoder((416, 416)).output_shapes == ((1, 3549, 85),)
    assert YoloxDecoder((640, 384)).output_shapes == ((1, 5040, 85),)
