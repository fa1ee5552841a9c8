# SPDX-License-Identifier: Apache-2.0
"""Which place of the road each pixel of the ground shows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .camera import NEAR_M, Camera
from .road import Road

REACH_M = 600.0
_COLUMN_PX_PER_640 = 8


@dataclass(frozen=True)
class Ground:
    """
    Road coordinates of the image rows from `top` down; all planes are (rows, width) float32.

    `ahead` is the arc length from the camera to the ground point, `d` its offset to the left,
    `visible` whether the pixel shows ground at all.
    """

    top: int
    ahead: np.ndarray
    d: np.ndarray
    visible: np.ndarray


def see_ground(road: Road, camera: Camera, s_camera: float) -> Ground:
    """
    Intersect the rays of all pixels with the road's ruled surface.

    A column of pixels spans a plane. It cuts each cross-section of the road in one point with
    a closed form, so a table of cuts at growing distance, read at every row, inverts the
    projection: exact where the road is straight and even, and close where it bends.
    """
    width, height = camera.size_wh
    cell = _COLUMN_PX_PER_640 * max(1, width // 640)
    columns = (np.arange(-1, width // cell + 2) + 0.5) * cell - 0.5
    ahead = np.geomspace(0.8, REACH_M, 260)
    rows, d = _cuts(road, camera, s_camera + ahead, columns)

    # What lies behind a crest is hidden by it.
    rows = np.minimum.accumulate(rows, axis=0)
    top = int(np.clip(np.floor(rows[-1].min()), 0, height - 2))
    wanted = np.arange(top, height, dtype=float)
    near = np.empty((len(wanted), len(columns)), np.float32)
    sideways = np.empty_like(near)
    for j in range(len(columns)):
        # 1 / ahead and d / ahead are linear in the row on an even straight road.
        near[:, j] = np.interp(wanted, rows[::-1, j], 1 / ahead[::-1], left=0.0)
        sideways[:, j] = np.interp(wanted, rows[::-1, j], (d[:, j] / ahead)[::-1])
    full = ((width // cell + 3) * cell, len(wanted))
    inverse = cv2.resize(near, full, interpolation=cv2.INTER_LINEAR)[:, cell : cell + width]
    slope = cv2.resize(sideways, full, interpolation=cv2.INTER_LINEAR)[:, cell : cell + width]
    reach = 1 / np.maximum(inverse, 1 / REACH_M)
    return Ground(top, reach, slope * reach, inverse > 1.001 / REACH_M)


def _cuts(
    road: Road, camera: Camera, s: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return image rows and offsets, both (n, columns), of the cuts at arc lengths `s` (n,)."""
    frames = road.frames(s)
    above, below = np.zeros((2, len(columns), 2))
    above[:, 0] = below[:, 0] = columns
    below[:, 1] = camera.size_wh[1]
    normals = np.cross(camera.rays(above), camera.rays(below))
    along = frames.left @ normals.T
    d = -((frames.centre - camera.position) @ normals.T) / np.where(
        np.abs(along) < 1e-9, 1e-9, along
    )
    forward, down = camera.rotation[2], camera.rotation[1]
    offset = frames.centre - camera.position
    depth = (offset @ forward)[:, None] + d * (frames.left @ forward)[:, None]
    drop = (offset @ down)[:, None] + d * (frames.left @ down)[:, None]
    seen = (depth > NEAR_M) & (np.abs(d) < 3 * REACH_M)
    rows = np.where(seen, drop / np.where(seen, depth, 1.0), 1e9)
    return rows * camera.focal + camera.centre[1], d
