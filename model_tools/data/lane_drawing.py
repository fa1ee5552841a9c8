# SPDX-License-Identifier: Apache-2.0
"""
Draw the lane mask that BDD100K does not publish: centre lines, 2 px wide to test, 8 px to train.

A pixel is lane if its centre is less than half the width away from a line, so a straight line is
exactly as wide as it says. (`cv2.polylines` draws 3 and 9 pixels when asked for 2 and 8.)
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from model_tools.data.bdd_labels import ImageLabels
from model_tools.data.lane_pairing import Edge, centre_lines
from model_tools.data.polylines import flatten, subdivide
from model_tools.data.problems import Problems

LANE_CATEGORIES = frozenset((
    'single white', 'single yellow', 'single other',
    'double white', 'double yellow', 'double other',
))  # fmt: skip
"""Lane lines: what is painted as a line, along the road or, as a stop line, across it. Left out
are 'road curb', which is no paint, and 'crosswalk', whose outline is no line. Which of these are
in the masks of the literature is not published."""
_REFERENCE_WIDTH = 1280
_PIECE_PX = 12.0
_TIE = np.array([1e-3, 5e-4])
"""Added to each line, so that one through pixel centres is not a pixel wider than others."""


def draw_lanes(
    labels: ImageLabels, wh: tuple[int, int], *, width: int, problems: Problems
) -> np.ndarray:
    """
    Return the lane mask (H, W) uint8, 0 or 255, of an image.

    Args:
        labels: Its labels; those that are no lane lines are left out.
        wh: Width and height of the image.
        width: Pixels of a line in an image 1280 wide; in others in proportion, at least 1.
        problems: Takes note of lines that cannot be drawn.

    """
    lines = centre_lines(lane_edges(labels, problems), wh[1])
    return draw_lines(lines, wh, max(1.0, width * wh[0] / _REFERENCE_WIDTH))


def lane_edges(labels: ImageLabels, problems: Problems) -> list[Edge]:
    """Return the lane lines as labelled, most of them edges of paint."""
    edges = []
    for item in labels.objects:
        category = item.category.removeprefix('lane/')
        if category not in LANE_CATEGORIES:
            continue
        attributes = item.attributes
        direction = attributes.get('laneDirection', attributes.get('direction', ''))
        for polyline in item.polylines:
            points = flatten(polyline, problems=problems, where=labels.where)
            if len(points):
                edges.append(Edge((category, str(direction)), points))
    return edges


def draw_lines(lines: Iterable[np.ndarray], wh: tuple[int, int], width_px: float) -> np.ndarray:
    """Return a mask (H, W) uint8 that is 255 less than half of `width_px` from lines (K, 2)."""
    mask = np.zeros((wh[1], wh[0]), np.uint8)
    start, end = _pieces(lines, wh, width_px)
    reach = (_PIECE_PX + width_px) / 2
    # One square of pixels around each short piece holds all that it can reach.
    side = np.arange(int(2 * reach) + 2)
    corner = np.floor((start + end) / 2 - reach).astype(int)
    x, y = corner[:, :1] + side, corner[:, 1:] + side
    along = (end - start).astype(np.float32)
    from_x = (x + 0.5 - start[:, :1]).astype(np.float32)
    from_y = (y + 0.5 - start[:, 1:]).astype(np.float32)
    unit = along / np.maximum((along**2).sum(axis=1), np.finfo(np.float32).tiny)[:, None]
    share_x, share_y = from_x * unit[:, :1], from_y * unit[:, 1:]
    share = (share_x[:, None, :] + share_y[:, :, None]).clip(0, 1)
    off_x = from_x[:, None, :] - share * along[:, :1, None]
    off_y = from_y[:, :, None] - share * along[:, 1:, None]
    piece, row, column = np.nonzero(off_x**2 + off_y**2 < (width_px / 2) ** 2)
    x, y = x[piece, column], y[piece, row]
    inside = (x >= 0) & (x < wh[0]) & (y >= 0) & (y < wh[1])
    mask[y[inside], x[inside]] = 255
    return mask


def _pieces(
    lines: Iterable[np.ndarray], wh: tuple[int, int], width_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cut lines into pieces of at most _PIECE_PX near the image; return their ends (P, 2)."""
    cut = [subdivide(points + _TIE, _PIECE_PX) for points in lines]
    start = np.concatenate([np.empty((0, 2)), *(points[:-1] for points in cut)])
    end = np.concatenate([np.empty((0, 2)), *(points[1:] for points in cut)])
    margin = _PIECE_PX + width_px
    near = ((start > -margin) & (start < np.array(wh) + margin)).all(axis=1)
    return start[near], end[near]
