# SPDX-License-Identifier: Apache-2.0
"""What windscreen, lens and sensor do to the picture."""

from __future__ import annotations

import cv2
import numpy as np

from .light import Light
from .painter import Canvas
from .scenario import Scenario
from .textures import sensor_tile, to_bytes


class Sensor:
    """One camera behind one windscreen."""

    def __init__(
        self, rng: np.random.Generator, scenario: Scenario, size_wh: tuple[int, int]
    ) -> None:
        self._scenario = scenario
        self._scale = size_wh[0] / 640
        self._blur = float(rng.uniform(0.35, 0.75)) * self._scale**0.5
        self._blur_px = 2 * max(1, round(self._scale)) + 1
        amount = {'day': (0.15, 0.45), 'dusk': (0.3, 0.7), 'night': (0.5, 1.1)}[scenario.light]
        self._noise = _noise(float(rng.uniform(*amount)), size_wh)
        self._vignette = _vignette(size_wh, float(rng.uniform(0.05, 0.35)))
        self._curve = _curve(rng, scenario)
        self._bloom = {'glare': 0.9}.get(scenario.weather, 0.0)

    def expose(self, canvas: Canvas, *, moment: int) -> np.ndarray:
        """Return the picture that the sensor delivers; `moment` seeds its noise."""
        rng = np.random.default_rng((77, moment))
        image = canvas.image
        _add_glows(canvas, wet=self._scenario.weather == 'rain', scale=self._scale)
        if self._bloom:
            image = _bloom(image, self._bloom)
        if self._scenario.weather == 'rain':
            _add_rain(rng, image, canvas.light, self._scale)
        image = cv2.GaussianBlur(image, (self._blur_px, self._blur_px), self._blur)
        image = cv2.multiply(image, self._vignette, scale=1 / 255)
        image = cv2.LUT(image, self._curve)
        return self._grain(rng, image)

    def _grain(self, rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        rows, columns = self._noise.shape[:2]
        y, x = rng.integers(0, rows - height + 1), rng.integers(0, columns - width + 1)
        return cv2.add(image, self._noise[y : y + height, x : x + width], dtype=cv2.CV_8U)


def _noise(amount: float, size_wh: tuple[int, int]) -> np.ndarray:
    """Return a plane of noise larger than the picture, from which each frame cuts its own."""
    tile = sensor_tile()
    repeats = (-(-(size_wh[1] + 128) // tile.shape[0]), -(-(size_wh[0] + 256) // tile.shape[1]), 1)
    return np.rint(np.tile(tile * np.float32(amount), repeats)).astype(np.int16)


def _vignette(size_wh: tuple[int, int], strength: float) -> np.ndarray:
    width, height = size_wh
    x, y = np.linspace(-1, 1, width)[None], np.linspace(-1, 1, height)[:, None]
    fall = 1 - strength * (x**2 + y**2 * 0.6) / 1.6
    return np.repeat(to_bytes(255 * fall)[..., None], 3, axis=2)


def _curve(rng: np.random.Generator, scenario: Scenario) -> np.ndarray:
    """Return the tone curve (256, 1, 3) of exposure, contrast and white balance."""
    x = np.arange(256)[:, None] / 255
    exposure = rng.uniform(1.0, 1.42) if scenario.light != 'night' else rng.uniform(0.9, 1.6)
    contrast = rng.uniform(-0.05, 0.5)
    cast = 1 + np.clip(rng.normal(0, 0.02, 3), -0.04, 0.04)
    y = np.clip(x * exposure * cast, 0, 1.4)
    y = y / (1 + np.maximum(y - 0.85, 0) * 0.6)
    y = np.clip(y, 0, 1)
    y = y + contrast * 0.5 * (3 * y**2 - 2 * y**3 - y)
    black = rng.uniform(0, 14) if scenario.weather != 'glare' else rng.uniform(12, 40)
    return to_bytes(black + (255 - black) * y).reshape(256, 1, 3)


def _add_glows(canvas: Canvas, *, wet: bool, scale: float) -> None:
    """Add the halos of the lamps that nothing hides."""
    image = canvas.image
    for glow in canvas.glows:
        column, row = (int(v) for v in glow.pixel)
        if canvas.owner[row, column] != glow.owner:
            continue
        _add_halo(image, glow.pixel, glow.radius, glow.radius, glow.colour * 0.6)
        _add_halo(image, glow.pixel, glow.radius * 0.35, glow.radius * 0.35, glow.colour)
        if wet:
            streak = np.array([glow.pixel[0], glow.pixel[1] + 34 * scale])
            _add_halo(image, streak, glow.radius * 0.55, 42 * scale, glow.colour * 0.4)


def _add_halo(
    image: np.ndarray, centre: np.ndarray, rx: float, ry: float, colour: np.ndarray
) -> None:
    height, width = image.shape[:2]
    rx, ry = float(np.clip(rx, 1.0, 0.2 * width)), float(np.clip(ry, 1.0, 0.3 * height))
    x0, x1 = int(max(centre[0] - 2.5 * rx, 0)), int(min(centre[0] + 2.5 * rx + 1, width))
    y0, y1 = int(max(centre[1] - 2.5 * ry, 0)), int(min(centre[1] + 2.5 * ry + 1, height))
    if x1 <= x0 or y1 <= y0:
        return
    across = np.exp(-(((np.arange(x0, x1) - centre[0]) / rx) ** 2))
    down = np.exp(-(((np.arange(y0, y1) - centre[1]) / ry) ** 2))
    halo = (down[:, None] * across[None])[..., None] * colour
    area = image[y0:y1, x0:x1]
    area[:] = cv2.add(area, to_bytes(halo))


def _bloom(image: np.ndarray, strength: float) -> np.ndarray:
    """Spread the light of blown-out pixels over their surroundings."""
    small = cv2.resize(image, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA)
    bright = cv2.subtract(small, (200, 200, 200, 0))
    spread = cv2.GaussianBlur(cv2.multiply(bright, (4, 4, 4, 0)), (0, 0), 9)
    wide = cv2.resize(spread, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    return cv2.addWeighted(image, 1.0, wide, strength, 0)


def _add_rain(rng: np.random.Generator, image: np.ndarray, light: Light, scale: float) -> None:
    height, width = image.shape[:2]
    plane = np.zeros((height, width), np.uint8)
    slant = 0.12
    for x, y, length in rng.uniform((0, 0, 8), (width, height, 34), (90, 3)):
        end = (int(x + slant * length * scale), int(y + length * scale))
        cv2.line(plane, (int(x), int(y)), end, int(60 + 60 * (length / 34)), 1, cv2.LINE_AA)
    plane = cv2.GaussianBlur(plane, (0, 0), 0.7 * scale)
    streaks = cv2.merge([plane] * 3)
    tint = np.clip(light.air / 255, 0.12, 0.9)
    cv2.add(image, cv2.multiply(streaks, (*tint.tolist(), 0)), dst=image)
