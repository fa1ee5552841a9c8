# SPDX-License-Identifier: Apache-2.0
"""Painting from back to front: the picture, and beside it who owns each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from .camera import Camera, clip_near
from .light import Light

GROUND, SCENERY = 0, -1
Extent = tuple[slice, slice]  # rows and columns of an image area
SHIFT = 4
_FAR_PX = 20_000.0
_FLAT_PX = 12  # textures lower than this are painted in one colour


@dataclass
class Glow:
    """A lamp seen by the camera: its pixel, halo radius in pixels, colour and owner."""

    pixel: np.ndarray
    radius: float
    colour: np.ndarray
    owner: int


@dataclass
class Canvas:
    """
    The picture under work.

    `image` is (H, W, 3) uint8, `owner` (H, W) int16 holds `GROUND`, `SCENERY` or the number of
    an object.
    """

    camera: Camera
    light: Light
    image: np.ndarray
    owner: np.ndarray
    glows: list[Glow] = field(default_factory=list)

    def fill(self, shape: np.ndarray, colour: Sequence[float], owner: int | None = None) -> None:
        """Fill a convex shape (k, 2) from `fixed`, smooth at its rim; claim it for an owner."""
        cv2.fillConvexPoly(self.image, shape, colour, cv2.LINE_AA, SHIFT)
        if owner is not None:
            cv2.fillConvexPoly(self.owner, shape, owner, cv2.LINE_8, SHIFT)

    @property
    def whole(self) -> Extent:
        """Return the area of the whole image."""
        height, width = self.owner.shape
        return slice(0, height), slice(0, width)

    def extent(self, pixels: np.ndarray) -> Extent | None:
        """Return the image area around pixels (..., 2) with a rim; None outside the image."""
        height, width = self.owner.shape
        flat = pixels.reshape(-1, 2)
        x0, y0 = (max(int(v) - 2, 0) for v in flat.min(0))
        x1, y1 = flat.max(0)
        if x0 >= width or y0 >= height or x1 < 0 or y1 < 0:
            return None
        return slice(y0, min(int(y1) + 3, height)), slice(x0, min(int(x1) + 3, width))

    def claim(self, shape: np.ndarray, owner: int) -> None:
        """Give the pixels inside a convex shape (k, 2) from `fixed` to an owner."""
        cv2.fillConvexPoly(self.owner, shape, owner, cv2.LINE_8, SHIFT)

    def seen_through_air(self, colours: np.ndarray, distance: float) -> np.ndarray:
        """Return surface colours (n, 3) as they look after `distance` metres of air."""
        clear = self.light.clear(distance)
        return np.minimum(colours * clear + self.light.air * (1 - clear), 255)

    def project(self, world: np.ndarray) -> np.ndarray | None:
        """Return the pixels (k, 2) of a world polygon, cut at the near plane; None if gone."""
        points = clip_near(self.camera.to_camera(world))
        return self.camera.to_pixels(points) if len(points) >= 3 else None

    def sprite(
        self,
        sprite: np.ndarray,
        box: tuple[float, float, float, float],
        gain: np.ndarray,
        distance: float,
        owner: int,
    ) -> None:
        """Paint a BGRA sprite into a pixel box x1 y1 x2 y2, lit by `gain` (3,)."""
        height, width = self.owner.shape
        x1, y1, x2, y2 = (round(v) for v in box)
        left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
        if right - left < 1 or bottom - top < 1 or x2 - x1 > 4 * width:
            return
        scale = np.array([sprite.shape[1] / (x2 - x1), sprite.shape[0] / (y2 - y1)])
        level = int(np.clip(np.log2(max(scale.max(), 1.0)), 0, 5))
        source = _pyramid(sprite, level)
        sx, sy = source.shape[1] / (x2 - x1), source.shape[0] / (y2 - y1)
        matrix = np.array(
            [[sx, 0, (left - x1 + 0.5) * sx - 0.5], [0, sy, (top - y1 + 0.5) * sy - 0.5]]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        patch = cv2.warpAffine(source, matrix, (right - left, bottom - top), flags=flags)
        lit = cv2.transform(patch, self._tone(gain, distance, channels=4))
        alpha = patch[..., 3].astype(np.float32) * np.float32(1 / 255)
        area = self.image[top:bottom, left:right]
        area[:] = cv2.blendLinear(lit, np.ascontiguousarray(area), alpha, 1 - alpha)
        self.owner[top:bottom, left:right][patch[..., 3] > 127] = owner

    def texture(
        self,
        texture: np.ndarray,
        corner: np.ndarray,
        along: np.ndarray,
        up: np.ndarray,
        *,
        gain: np.ndarray,
        distance: float,
    ) -> None:
        """
        Paint a texture, lit by `gain` (3,), onto a world parallelogram.

        `corner` is the world point of the texture's lower left, `along` and `up` its sides.
        """
        outline = self.project(
            np.stack([corner, corner + along, corner + along + up, corner + up])
        )
        if outline is None:
            return
        height, width = self.owner.shape
        low = np.floor(outline.min(0)).astype(int)
        high = np.ceil(outline.max(0)).astype(int) + 1
        left, top = max(low[0], 0), max(low[1], 0)
        right, bottom = min(high[0], width), min(high[1], height)
        if right - left < 1 or bottom - top < 1:
            return
        tall = max(high[1] - low[1], 1)
        if tall < _FLAT_PX:
            mean = _pyramid(texture, 5).mean((0, 1)) * gain
            self.fill(fixed(outline), self.seen_through_air(mean, distance).tolist(), SCENERY)
            return
        source = _pyramid(texture, int(np.clip(np.log2(max(texture.shape[0] / tall, 1)), 0, 5)))
        rows, columns = source.shape[:2]
        plane = np.stack([along / columns, -up / rows, corner + up - self.camera.position], axis=1)
        (cx, cy), f = self.camera.centre, self.camera.focal
        lens = np.array([[f, 0, cx - left], [0, f, cy - top], [0, 0, 1]])
        matrix = lens @ self.camera.rotation @ plane
        patch = cv2.warpPerspective(
            source, matrix, (right - left, bottom - top), borderMode=cv2.BORDER_REPLICATE
        )
        patch = cv2.transform(patch, self._tone(gain, distance, channels=3))
        mask = np.zeros(patch.shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, fixed(outline - (left, top)), 255, cv2.LINE_8, SHIFT)
        cv2.copyTo(patch, mask, self.image[top:bottom, left:right])
        self.claim(fixed(outline), SCENERY)

    def _tone(self, gain: np.ndarray, distance: float, *, channels: int) -> np.ndarray:
        """Return the colour transform (3, channels + 1) of light and `distance` metres of air."""
        clear = self.light.clear(distance)
        tone = np.zeros((3, channels + 1), np.float32)
        tone[0, 0], tone[1, 1], tone[2, 2] = gain * clear
        tone[:, -1] = self.light.air * (1 - clear)
        return tone

    def lamp(self, world: np.ndarray, radius_m: float, colour: np.ndarray, owner: int) -> None:
        """Remember a lamp; its halo is added after everything else is painted."""
        point = self.camera.to_camera(world)
        if point[2] < 1.0:
            return
        pixel = self.camera.to_pixels(point)
        width, height = self.camera.size_wh
        if not (0 <= pixel[0] < width and 0 <= pixel[1] < height):
            return
        radius = self.camera.focal * radius_m / point[2] ** 0.8
        strength = self.light.clear(point[2] * 0.6) / (1 + point[2] / 70)
        self.glows.append(Glow(pixel, radius, colour * strength, owner))


def fixed(points: np.ndarray) -> np.ndarray:
    """Return pixel positions as the fixed-point integers of OpenCV's drawing calls."""
    return np.rint(np.minimum(np.maximum(points, -_FAR_PX), _FAR_PX) * (1 << SHIFT)).astype(
        np.int32
    )


_PYRAMIDS: dict[int, list[np.ndarray]] = {}


def _pyramid(texture: np.ndarray, level: int) -> np.ndarray:
    """Return a texture halved `level` times; each texture keeps its reductions."""
    # The list holds the texture itself, so its id stays its own.
    levels = _PYRAMIDS.setdefault(id(texture), [texture])
    while len(levels) <= level and min(levels[-1].shape[:2]) > 4:
        half = (max(levels[-1].shape[1] // 2, 1), max(levels[-1].shape[0] // 2, 1))
        levels.append(cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA))
    return levels[min(level, len(levels) - 1)]
