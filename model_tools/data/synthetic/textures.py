# SPDX-License-Identifier: Apache-2.0
"""Tiles of noise shared by all drives: made once, from a fixed seed, and periodic."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

FINE_PX_PER_M = 64
COARSE_PX_PER_M = 12


def noise(rng: np.random.Generator, size: int, grain: float) -> np.ndarray:
    """Return periodic noise (size, size) float32 of mean 0, deviation 1 and blob size `grain`."""
    white = rng.standard_normal((size, size)).astype(np.float32)
    pad = int(3 * grain) + 1
    soft = cv2.GaussianBlur(np.pad(white, pad, mode='wrap'), (0, 0), grain)[pad:-pad, pad:-pad]
    return (soft - soft.mean()) / soft.std()


def fractal(rng: np.random.Generator, size: int, grains: tuple[float, ...]) -> np.ndarray:
    """Return periodic noise (size, size) of several blob sizes, the coarse ones strongest."""
    total = sum(noise(rng, size, grain) * grain**0.5 for grain in grains)
    return total / np.std(total)


@lru_cache(maxsize=1)
def fine_tile() -> np.ndarray:
    """Return a 4 m tile (256, 256, 4) uint8 around 128: grain, grass, slabs, paint wear."""
    rng = np.random.default_rng(101)
    asphalt = fractal(rng, 256, (0.7, 1.4)) * 26
    grass = fractal(rng, 256, (0.8, 3.0, 9.0)) * 34
    wear = fractal(rng, 256, (1.0, 4.0, 12.0)) * 55
    slabs = fractal(rng, 256, (0.8, 4.0)) * 10 + rng.normal(0, 9, (8, 8)).repeat(32, 0).repeat(
        32, 1
    )
    slabs[::32] -= 50
    slabs[:, ::32] -= 50
    return to_bytes(128 + np.stack([asphalt, grass, slabs, wear], -1))


@lru_cache(maxsize=1)
def coarse_tile() -> np.ndarray:
    """Return a 43 m tile (512, 512, 4) uint8 around 128: asphalt, turf, slabs, wear of paint."""
    rng = np.random.default_rng(102)
    asphalt = fractal(rng, 512, (2.0, 7.0, 26.0)) * 9
    _add_patches(rng, asphalt)
    _add_cracks(rng, asphalt)
    turf = fractal(rng, 512, (1.5, 8.0, 30.0)) * 26
    wear = fractal(rng, 512, (4.0, 14.0)) * 50
    return to_bytes(128 + np.stack([asphalt, turf, asphalt, wear], -1))


def _add_patches(rng: np.random.Generator, plane: np.ndarray) -> None:
    for _ in range(9):
        x, y = rng.integers(0, 440, 2)
        w, h = rng.integers(10, 30), rng.integers(14, 70)
        tone = float(rng.uniform(-26, 18))
        plane[y : y + h, x : x + w] += tone
        cv2.rectangle(plane, (int(x), int(y)), (int(x + w), int(y + h)), -40.0, 1)


def _add_cracks(rng: np.random.Generator, plane: np.ndarray) -> None:
    for _ in range(26):
        start, bearing = rng.uniform(20, 490, 2), rng.uniform(0, np.pi)
        turns = np.cumsum(rng.normal(0, 0.35, int(rng.integers(12, 60)))) + bearing
        path = start + np.cumsum(np.stack([np.cos(turns), np.sin(turns)], -1) * 3, 0)
        cv2.polylines(plane, [path.astype(np.int32)], False, float(rng.uniform(-60, -25)), 1)


@lru_cache(maxsize=1)
def cloud_tile() -> np.ndarray:
    """Return a periodic tile (256, 1024) float32 in 0..1: where the clouds are."""
    rng = np.random.default_rng(103)
    field = fractal(rng, 1024, (3.0, 9.0, 28.0, 80.0))[:256]
    ramp = np.linspace(0, 1, 64, dtype=np.float32)[:, None]
    field[-64:] = field[-64:] * (1 - ramp) + field[:64][::-1] * ramp
    return np.clip(field * 0.28 + 0.5, 0, 1)


@lru_cache(maxsize=1)
def sensor_tile() -> np.ndarray:
    """Return a tile (640, 1024, 3) float32 of sensor noise of deviation 8, coloured a little."""
    rng = np.random.default_rng(104)
    grey = rng.standard_normal((640, 1024, 1), np.float32) * 6.5
    return grey + rng.standard_normal((640, 1024, 3), np.float32) * 4.5


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Round and clip to uint8."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
