# SPDX-License-Identifier: Apache-2.0
"""Draw the drivable area from polygons, as one area and as the direct part of it alone."""

from __future__ import annotations

import cv2
import numpy as np

from model_tools.data.bdd_labels import ImageLabels
from model_tools.data.polylines import flatten
from model_tools.data.problems import Problems

_DIRECT = ('area/drivable', 'direct')
_ALTERNATIVE = ('area/alternative', 'alternative')


def draw_drivable(
    labels: ImageLabels, wh: tuple[int, int], problems: Problems
) -> tuple[np.ndarray, np.ndarray]:
    """
    Return two masks (H, W) uint8, 0 or 255: all that is drivable, and what is directly so.

    Where areas of both kinds overlap, the place is direct: their order in the file says nothing.
    Pixels that an outline touches belong to the area, as in the published masks.
    """
    merged, direct = np.zeros((2, wh[1], wh[0]), np.uint8)
    for item in labels.objects:
        if item.category not in _DIRECT + _ALTERNATIVE:
            continue
        for polyline in item.polylines:
            points = flatten(polyline, problems=problems, where=labels.where)
            outline = [np.floor(points).astype(np.int32)] if len(points) else []
            cv2.fillPoly(merged, outline, 255)
            if item.category in _DIRECT:
                cv2.fillPoly(direct, outline, 255)
    return merged, direct
