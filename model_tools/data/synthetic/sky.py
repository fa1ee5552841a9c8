# SPDX-License-Identifier: Apache-2.0
"""The far backdrop: sky, clouds, sun and the skyline."""

from __future__ import annotations

import cv2
import numpy as np

from .camera import Camera
from .light import Light
from .textures import cloud_tile, noise, to_bytes

_ABOVE, _BELOW = 0.62, 0.12  # radians of the panorama above and below the horizon
_SKYLINE = 0.16  # radians above the horizon that hills and roofs may reach


class Sky:
    """A full circle of backdrop at infinite distance."""

    def __init__(self, rng: np.random.Generator, light: Light, focal: float, place: str) -> None:
        self._px = min(focal, 700.0)  # per radian
        width, up = int(2 * np.pi * self._px), int(_ABOVE * self._px)
        # Sky is smooth: half the pixels are enough until the skyline comes.
        half = _clear_sky(light, up // 2, width // 2)
        _add_clouds(rng, half, light)
        _add_sun(half, light, self._px / 2)
        sky = cv2.resize(half, (width, up), interpolation=cv2.INTER_LINEAR)
        ground = np.empty((int(_BELOW * self._px), width, 3), np.float32)
        ground[:] = light.air * 0.8
        picture = np.concatenate([sky, ground])
        band = picture[up - int(_SKYLINE * self._px) :]
        for layer in range(3):
            _add_ridge(rng, band, light, int(_SKYLINE * self._px), layer, place, self._px)
        picture = to_bytes(picture)
        # One more view's width, so that a view across the seam is one piece.
        self._circle = width
        self._picture = np.hstack([picture, picture[:, : int(2.2 * self._px)]])
        self._horizon = up

    def paint(self, camera: Camera, image: np.ndarray) -> None:
        """Fill the upper rows of the camera's picture with what it sees at infinity."""
        yaw = np.arctan2(camera.rotation[2, 1], camera.rotation[2, 0])
        pitch = np.arcsin(-camera.rotation[2, 2])
        roll = np.arctan2(-camera.rotation[0, 2], -camera.rotation[1, 2])
        scale = self._px / camera.focal
        cos, sin = scale * np.cos(roll), scale * np.sin(roll)
        matrix = np.array([[cos, sin, 0], [-sin, cos, 0.0]])
        half = 1.1 * self._px
        left = int(-yaw * self._px - half) % self._circle
        view = self._picture[:, left : left + int(2 * half)]
        middle = (-yaw * self._px - half) % self._circle - left + half
        matrix[:, 2] = (middle, self._horizon + pitch * self._px) - matrix[:, :2] @ camera.centre
        cv2.warpAffine(
            view,
            matrix,
            (image.shape[1], image.shape[0]),
            dst=image,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )


def _clear_sky(light: Light, rows: int, width: int) -> np.ndarray:
    height = np.linspace(1, 0, rows)[:, None, None] ** 0.7
    column = light.air * (1 - height) + light.zenith * height
    return np.broadcast_to(column, (rows, width, 3)).astype(np.float32)


def _add_clouds(rng: np.random.Generator, picture: np.ndarray, light: Light) -> None:
    rows, width = picture.shape[:2]
    tile = np.roll(cloud_tile(), int(rng.integers(1024)), 1)
    cover = cv2.resize(tile, (width, rows), interpolation=cv2.INTER_CUBIC)
    share = np.clip((cover - np.float32(0.72 - 0.62 * light.cloudiness)) * 3, 0, 1)[..., None]
    share *= np.linspace(1.0, 0.55, rows, dtype=np.float32)[:, None, None]
    belly = np.clip(cv2.resize(np.roll(tile, 9, 0), (width, rows)), 0, 1)[..., None]
    white = np.clip(light.air * 1.12 + 12 * (light.sky.mean() > 0.2), 0, 255)
    tone = np.float32(1.02) - belly * np.float32(0.38 * light.cloudiness)
    picture += share * (white.astype(np.float32) * tone - picture)


def _add_sun(picture: np.ndarray, light: Light, px: float) -> None:
    if not light.sun.any():
        return
    rows, width = picture.shape[:2]
    azimuth = np.arctan2(light.to_sun[1], light.to_sun[0])
    x = (-azimuth * px) % width
    y = rows - np.arcsin(light.to_sun[2]) * px
    columns = np.abs(np.arange(width) - x)
    aside = np.minimum(columns, width - columns)[None] / px
    above = (np.arange(rows)[:, None] - y) / px
    angle = np.hypot(aside, above).astype(np.float32)
    halo = 235 * np.exp(-((angle / 0.035) ** 2)) + 120 * np.exp(-angle / 0.12)
    picture += halo[..., None] * (light.sun / light.sun.max()).astype(np.float32)


def _add_ridge(
    rng: np.random.Generator,
    picture: np.ndarray,
    light: Light,
    horizon: int,
    layer: int,
    place: str,
    px: float,
) -> None:
    """Draw one silhouette of hills, woods or roofs; nearer layers are darker and lower."""
    width = picture.shape[1]
    far = (1400.0, 800.0, 450.0)[layer]
    x = np.linspace(0, 256, width, endpoint=False)
    if place == 'city' and layer:
        heights = rng.normal(0, 1, 128)[x.astype(int) // 2]
    else:
        heights = np.interp(x, np.arange(256), noise(rng, 256, 6.0 - 2 * layer)[0])
    rise = {'city': 0.075, 'suburb': 0.05, 'rural': 0.05, 'motorway': 0.045}[place]
    leaves = noise(rng, 512, 1.2)[0]
    heights = heights + 0.3 * layer * leaves[np.arange(width) % 512]
    top = horizon - px * np.clip(rise * (0.6 + 0.25 * heights) * (1 - 0.18 * layer), 0.004, None)
    albedo = np.array([62, 66, 62.0]) if place == 'city' else np.array([52, 70, 60.0])
    gain = light.sky * 0.8 + light.sun * 0.25
    clear = light.clear(far * 0.55)
    colour = (albedo * gain * clear + light.air * (1 - clear)).astype(np.float32)
    rows = np.arange(picture.shape[0])[:, None]
    cover = np.clip(rows - top.astype(np.float32), 0, 1)[..., None].astype(np.float32)
    picture += cover * (colour - picture)
