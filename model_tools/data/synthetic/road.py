# SPDX-License-Identifier: Apache-2.0
"""The course of a road through the world, and the junctions on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .layout import Layout, draw_layout

LENGTH_M = 12_000
# (heading swing in radians, shortest wave in m, steepest slope) of each place.
_WINDING = {
    'city': (0.10, 500.0, 0.015),
    'suburb': (0.22, 350.0, 0.025),
    'rural': (0.38, 420.0, 0.035),
    'motorway': (0.22, 900.0, 0.02),
}


@dataclass(frozen=True)
class Junction:
    """A street `2 * half_width` metres wide that crosses at `s`, with or without zebra bars."""

    s: float
    half_width: float
    zebra: bool
    stop_line: bool


@dataclass(frozen=True)
class Frames:
    """Centre points (n, 3), unit vectors to the left (n, 3) and headings (n,) of the road."""

    centre: np.ndarray
    left: np.ndarray
    heading: np.ndarray


class Road:
    """
    A curve in space with a constant cross-section.

    Its surface is ruled: the point at arc length `s`, offset `d` to the left and height `z` is
    `centre(s) + d * left(s) + (0, 0, z)`.
    """

    def __init__(self, rng: np.random.Generator, place: str) -> None:
        self.layout: Layout = draw_layout(rng, place)
        swing, wave, slope = _WINDING[place]
        s = np.arange(LENGTH_M + 1, dtype=float)
        heading = np.zeros_like(s)
        height = np.zeros_like(s)
        for octave in range(3):
            length = wave * rng.uniform(1.0, 1.6) * (1 + octave)
            phase = rng.uniform(0, 2 * np.pi, 2)
            heading += swing * 0.6 * np.sin(2 * np.pi * s / length + phase[0])
            rise = slope * 0.6 * length / (2 * np.pi)
            height += rise * np.sin(2 * np.pi * s / length + phase[1])
        x, y = np.cumsum(np.cos(heading)), np.cumsum(np.sin(heading))
        self._course = np.stack([x, y, height, heading], -1)
        self.junctions = _draw_junctions(rng, place)

    def frames(self, s: np.ndarray) -> Frames:
        """Return the road's frames at arc lengths `s` (n,)."""
        s = np.clip(s, 0, LENGTH_M - 1e-6)
        low = s.astype(int)
        here = self._course[low]
        course = here + (self._course[low + 1] - here) * (s - low)[:, None]
        heading = course[:, 3]
        left = np.stack([-np.sin(heading), np.cos(heading), np.zeros_like(heading)], -1)
        return Frames(course[:, :3], left, heading)

    def points(self, s: np.ndarray, d: np.ndarray, z: np.ndarray | float = 0.0) -> np.ndarray:
        """Return world points (n, 3) of road coordinates."""
        frames = self.frames(np.asarray(s, float))
        points = frames.centre + np.asarray(d, float)[..., None] * frames.left
        points[..., 2] += z
        return points

    def pose(self, s: float, d: float) -> tuple[np.ndarray, float]:
        """Return the world point (3,) and the heading in radians at one place of the road."""
        frames = self.frames(np.array([s]))
        return frames.centre[0] + d * frames.left[0], float(frames.heading[0])


def _draw_junctions(rng: np.random.Generator, place: str) -> tuple[Junction, ...]:
    if place == 'motorway':
        return ()
    spacing = {'city': 90.0, 'suburb': 140.0, 'rural': 420.0}[place]
    places = np.cumsum(rng.uniform(0.7, 1.5, int(LENGTH_M / spacing / 0.7)) * spacing)
    return tuple(
        Junction(
            s=float(s),
            half_width=float(rng.uniform(3.0, 6.5)) if place == 'city' else 3.0,
            zebra=bool(rng.random() < {'city': 0.75, 'suburb': 0.35, 'rural': 0.0}[place]),
            stop_line=bool(rng.random() < 0.5),
        )
        for s in places
        if s < LENGTH_M - 50
    )
