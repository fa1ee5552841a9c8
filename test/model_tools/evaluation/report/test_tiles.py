# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from model_tools.data.sample import IGNORE
from model_tools.evaluation.detection import BoxResult, BoxTruth
from model_tools.evaluation.report.tiles import (
    FALSE,
    IGNORED,
    MISSED,
    RIGHT,
    draw_detection_tile,
    draw_mask_tile,
)

NAMES = ('vehicle', 'person')
A, B = (20, 40, 60, 80), (100, 40, 140, 80)


def image(width=200, height=100):
    return np.full((height, width, 3), 50, np.uint8)


def truth(*boxes, labels=None, crowd=None):
    n = len(boxes)
    return BoxTruth(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels or [0] * n, np.int64),
        np.array(crowd or [False] * n, bool),
    )


def found(*boxes, scores=None, labels=None):
    n = len(boxes)
    return BoxResult(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores or [0.9] * n, np.float32),
        np.array(labels or [0] * n, np.int64),
    )


def outline(tile, box):
    """Return the colour in the middle of the lower edge, which no tag covers."""
    return tuple(int(v) for v in tile[box[3], (box[0] + box[2]) // 2])


UNTOUCHED = (50, 50, 50)


@pytest.mark.parametrize(
    ('labelled', 'answer', 'colours'),
    [
        (truth(), found(), (UNTOUCHED, UNTOUCHED)),
        (truth(A), found(), (MISSED, UNTOUCHED)),
        (truth(), found(B), (UNTOUCHED, FALSE)),
        (truth(A, B), found(A), (RIGHT, MISSED)),
        (truth(A, B), found(B, A), (RIGHT, RIGHT)),
        (truth(A), found(A, labels=[1]), (FALSE, UNTOUCHED)),
        (truth(A), found(A, scores=[0.4]), (MISSED, UNTOUCHED)),
        (truth(A), found(A, scores=[0.5]), (RIGHT, UNTOUCHED)),
        (truth(A, crowd=[True]), found(), (IGNORED, UNTOUCHED)),
        (truth(A, crowd=[True]), found(A), (IGNORED, UNTOUCHED)),
        (truth(A), found((20, 40, 60, 59)), (MISSED, UNTOUCHED)),
        (truth(A), found((20, 40, 60, 60)), (UNTOUCHED, UNTOUCHED)),  # IoU 1/2 is a hit
    ],
)
def test_draw_detection_tile(labelled, answer, colours):
    source = image()
    tile = draw_detection_tile(source, labelled, answer, 0.5, NAMES)
    assert (outline(tile, A), outline(tile, B)) == colours
    assert (source == 50).all()


def test_draw_detection_tile__the_better_of_two_is_the_hit():
    low = (20, 40, 60, 90)
    tile = draw_detection_tile(image(), truth(A), found(low, A, scores=[0.6, 0.9]), 0.5, NAMES)
    assert outline(tile, A) == RIGHT
    assert outline(tile, low) == FALSE


def test_draw_detection_tile__low_boxes_are_ignored():
    tile = draw_detection_tile(image(), truth(A), found(B), 0.5, NAMES, min_height=41)
    assert (outline(tile, A), outline(tile, B)) == (IGNORED, UNTOUCHED)


def test_draw_detection_tile__is_scaled_with_its_boxes():
    big = tuple(4 * v for v in A)
    tile = draw_detection_tile(image(960, 480), truth(big), found(big), 0.5, NAMES)
    assert tile.shape == (240, 480, 3)
    assert outline(tile, tuple(2 * v for v in A)) == RIGHT


def test_draw_mask_tile():
    label = np.zeros((100, 200), np.uint8)
    label[:, :80] = 255
    label[:, 160:] = IGNORE
    prediction = np.zeros((100, 200), np.uint8)
    prediction[:, 40:120] = 1
    prediction[:, 160:] = 1
    tile = draw_mask_tile(image(), label, prediction)

    def mixed(colour):
        return [round(50 + 0.7 * (v - 50)) for v in colour]

    assert tile[50, 20].tolist() == mixed(MISSED)
    assert tile[50, 60].tolist() == mixed(RIGHT)
    assert tile[50, 100].tolist() == mixed(FALSE)
    assert tile[50, 140].tolist() == [50, 50, 50]
    hatched = {tuple(pixel) for pixel in tile[50, 162:198].tolist()}
    assert hatched == {(50, 50, 50), tuple(mixed(IGNORED))}


def test_draw_mask_tile__thin_lines_survive_scaling():
    label = np.zeros((100, 1920), np.uint8)
    label[:, 960:962] = 255
    tile = draw_mask_tile(image(1920, 100), label, label)
    assert tile.shape == (25, 480, 3)
    assert tile[12, 240].tolist() == [round(50 + 0.7 * (v - 50)) for v in RIGHT]


def test_draw_mask_tile__a_mask_of_another_size_covers_the_image():
    label = np.full((2, 4), 255, np.uint8)
    tile = draw_mask_tile(image(), label, np.array([[1, 1, 0, 0]] * 2))
    assert tile.shape == (100, 200, 3)
    assert tile[50, 50].tolist() == [round(50 + 0.7 * (v - 50)) for v in RIGHT]
    assert tile[50, 150].tolist() == [round(50 + 0.7 * (v - 50)) for v in MISSED]


def test_draw_mask_tile__sizes_differ():
    with pytest.raises(ValueError, match=r'label of \(2, 4\) and prediction of \(4, 2\) differ'):
        draw_mask_tile(image(), np.zeros((2, 4), np.uint8), np.zeros((4, 2), np.uint8))
