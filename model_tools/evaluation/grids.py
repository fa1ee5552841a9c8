# SPDX-License-Identifier: Apache-2.0
"""Bring labelled masks and predicted planes to the pixels on which they are compared.

Labelled masks know three values: 0, 255 and IGNORE, which may be either. A change of size or width
keeps that meaning: a pixel is 255 if it would be so whatever the ignored pixels are, 0 if it would
be so whatever they are, and IGNORE otherwise.
"""

from __future__ import annotations

import math
from typing import Literal

import cv2
import numpy as np

from model_tools.data.sample import IGNORE
from panoptic_perception.core.letterbox import Letterbox

Grid = Literal['native', 'content', 'stretch640']
LabelResize = Literal['area_any', 'bilinear']

LETTERBOX_WH = (640, 384)
STRETCH_WH = (640, 640)
LANE_WIDTH_BASE = 1280
"""Image width, px, at which widths of lane lines are given."""


def grid_wh(source_wh: tuple[int, int], grid: Grid) -> tuple[int, int]:
    """Return width and height of a grid: source size, 640x384 letterbox without bars, 640x640."""
    if grid == 'native':
        return source_wh
    if grid == 'content':
        return Letterbox(source_wh, LETTERBOX_WH).content_wh
    return STRETCH_WH


def label_on_grid(mask: np.ndarray, grid: Grid, *, resize: LabelResize) -> np.ndarray:
    """
    Return a labelled mask at the size of a grid.

    Args:
        mask: (H, W) uint8 of 0, 255 and IGNORE, at source size; returned as it is if the grid has
            its size.
        grid: Where masks are compared.
        resize: 'area_any': any coverage counts, as in hustvl/YOLOP
            lib/dataset/AutoDriveDataset.py; 'bilinear': most of the weight counts, as in
            JiayuanWang-JW/RMT-PPAD ultralytics/data/dataset.py.

    """
    source_wh = mask.shape[1], mask.shape[0]
    wh = grid_wh(source_wh, grid)
    if wh == source_wh:
        return mask
    resized = _any_coverage if resize == 'area_any' else _most_weight
    label = np.where(resized(mask != 0, wh), np.uint8(IGNORE), np.uint8(0))
    label[resized(mask == 255, wh)] = 255
    return label


def plane_on_grid(plane: np.ndarray, source_wh: tuple[int, int], grid: Grid) -> np.ndarray:
    """
    Return a predicted plane at the size of a grid, interpolated bilinearly before any threshold.

    Args:
        plane: (h, w) uint8, probability x 255, of any size; it covers the whole source image.
        source_wh: Width and height of the source image.
        grid: Where masks are compared.

    """
    wh = grid_wh(source_wh, grid)
    if plane.shape == wh[::-1]:
        return plane
    return cv2.resize(plane, wh, interpolation=cv2.INTER_LINEAR)


def dilate_lane(mask: np.ndarray, kernel_px: int) -> np.ndarray:
    """
    Return a labelled lane mask with its lines widened by a square.

    Args:
        mask: (H, W) uint8 of 0, 255 and IGNORE. What lies near an ignored pixel may be lane after
            widening, so IGNORE grows too; 255 wins over it.
        kernel_px: Side of the square in an image 1280 px wide: 7 makes 8 px of 2 px. Its reach to
            either side scales with the width of the image; 1 leaves every mask as it is.

    """
    reach = math.floor((kernel_px - 1) / 2 * mask.shape[1] / LANE_WIDTH_BASE + 0.5)
    side = 2 * reach + 1
    # The maximum of 0 < IGNORE < 255 is the "or" of "no", "unknown" and "yes".
    return cv2.dilate(mask, np.ones((side, side), np.uint8))


def _any_coverage(chosen: np.ndarray, wh: tuple[int, int]) -> np.ndarray:
    plane = chosen.astype(np.uint8) * 255
    return cv2.resize(plane, wh, interpolation=cv2.INTER_AREA) > 1


def _most_weight(chosen: np.ndarray, wh: tuple[int, int]) -> np.ndarray:
    # RMT-PPAD resizes integers of 0 and 1, so OpenCV's rounding is its threshold; on which side an
    # exact half falls depends on the ratio of the sizes.
    return cv2.resize(chosen.astype(np.uint8), wh, interpolation=cv2.INTER_LINEAR) > 0
