# SPDX-License-Identifier: Apache-2.0
"""The pinhole camera of the ego vehicle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

NEAR_M = 0.4


@dataclass(frozen=True)
class Camera:
    """
    A pinhole camera without distortion.

    `position` is in world metres (x east, y north, z up); `rotation` (3, 3) turns world
    directions into camera ones (x right, y down, z forward); lengths in pixels.
    """

    size_wh: tuple[int, int]
    focal: float
    centre: tuple[float, float]
    position: np.ndarray
    rotation: np.ndarray

    @classmethod
    def looking(
        cls,
        *,
        size_wh: tuple[int, int],
        focal: float,
        position: np.ndarray,
        yaw: float,
        pitch: float,
        roll: float,
    ) -> Camera:
        """Build a camera from its pose; radians, yaw to the left, pitch down, roll clockwise."""
        forward = np.array([np.cos(yaw), np.sin(yaw), 0.0])
        left = np.array([-np.sin(yaw), np.cos(yaw), 0.0])
        up = np.array([0.0, 0.0, 1.0])
        level = np.stack([-left, -up, forward])
        cos_p, sin_p, cos_r, sin_r = np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
        tilt = np.array([[1, 0, 0], [0, cos_p, -sin_p], [0, sin_p, cos_p]])
        twist = np.array([[cos_r, sin_r, 0], [-sin_r, cos_r, 0], [0, 0, 1]])
        width, height = size_wh
        return cls(
            size_wh=size_wh,
            focal=focal,
            centre=((width - 1) / 2, (height - 1) / 2),
            position=np.asarray(position, float),
            rotation=twist @ tilt @ level,
        )

    def to_camera(self, world: np.ndarray) -> np.ndarray:
        """Turn world points (..., 3) into camera points (..., 3)."""
        return (world - self.position) @ self.rotation.T

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Project camera points (..., 3) with positive depth to pixels (..., 2)."""
        return points[..., :2] * (self.focal / points[..., 2:]) + self.centre

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """Return the world directions (..., 3) in which pixels (..., 2) look."""
        pixels = np.asarray(pixels, float)
        depth = np.full((*pixels.shape[:-1], 1), self.focal)
        return np.concatenate([pixels - self.centre, depth], axis=-1) @ self.rotation

    def as_dict(self) -> dict[str, Any]:
        """Return intrinsics and pose as plain values for a JSON file."""
        (cx, cy), (width, height) = self.centre, self.size_wh
        return {
            'width': width,
            'height': height,
            'k': [self.focal, 0.0, cx, 0.0, self.focal, cy, 0.0, 0.0, 1.0],
            'distortion': [],
            'position': self.position.tolist(),
            'world_to_camera': self.rotation.tolist(),
        }


def clip_near(points: np.ndarray) -> np.ndarray:
    """Cut a camera-space polygon (k, 3) at the near plane; return (m, 3), m may be 0."""
    depth = points[:, 2] - NEAR_M
    if depth.min() >= 0:
        return points
    kept: list[np.ndarray] = []
    if depth.max() < 0:
        return points[:0]
    for here, there, a, b in zip(
        points, np.roll(points, -1, 0), depth, np.roll(depth, -1), strict=True
    ):
        if a >= 0:
            kept.append(here)
        if (a >= 0) != (b >= 0):
            kept.append(here + (there - here) * (a / (a - b)))
    return np.array(kept).reshape(-1, 3)
