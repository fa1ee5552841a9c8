# SPDX-License-Identifier: Apache-2.0
"""Sun, sky, lamps and air: how bright a surface looks and how much of it reaches the camera."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from .scenario import Scenario

Metres = TypeVar('Metres', float, np.ndarray)
Colour = np.ndarray  # (3,) blue, green, red; 0..255 for colours, about 0..1.2 for gains


@dataclass(frozen=True)
class Light:
    """
    The illumination of one drive.

    `to_sun` points from the ground to the sun, in world axes; `sun` and `sky` are gains on
    surface colours; `air` is the colour of haze and `haze_per_m` its density.
    """

    to_sun: np.ndarray
    sun: Colour
    sky: Colour
    air: Colour
    zenith: Colour
    haze_per_m: float
    cloudiness: float
    street_lamps: float
    headlights: float

    @property
    def is_night(self) -> bool:
        """Say whether lamps, not the sky, light the world."""
        return self.headlights > 0.5

    @property
    def shadow_strength(self) -> float:
        """Return the share of light that a cast shadow takes from the ground, 0..1."""
        direct = self.sun.mean() * max(self.to_sun[2], 0.0)
        return float(direct / (direct + self.sky.mean()))

    @cached_property
    def upright(self) -> Colour:
        """Return the gain of slender things that stand, lit from all sides."""
        return self.shade(np.array([[0.0, 0.0, 0.3]]))[0] + self.sun * 0.32

    def shade(self, normals: np.ndarray) -> np.ndarray:
        """Return the gains (n, 3) of surfaces with world normals (n, 3)."""
        facing = np.maximum(normals @ self.to_sun, 0)[:, None]
        open_sky = 0.8 + 0.2 * normals[:, 2:]
        return self.sky * open_sky + self.sun * facing

    def clear(self, distance: float) -> float:
        """Return the share 0..1 of light that passes `distance` metres of air."""
        return math.exp(-self.haze_per_m * distance)

    def beam(self, ahead: Metres, aside: Metres) -> Metres:
        """Return the gain of the ego vehicle's dipped headlights at places before it, metres."""
        spread = 1.6 + 0.22 * ahead
        fall = ahead / (ahead + 3.0) * np.exp(-ahead / 26.0)
        return self.headlights * fall * np.exp(-((aside / spread) ** 2))


def make_light(rng: np.random.Generator, scenario: Scenario) -> Light:
    """Draw an illumination that suits the scenario."""
    azimuth = rng.uniform(0, 2 * np.pi)
    cloudiness = float(rng.uniform(0.0, 1.0))
    wet = scenario.weather in ('rain', 'fog')
    if scenario.weather == 'glare':
        azimuth, cloudiness = rng.uniform(-0.25, 0.25), cloudiness * 0.3
    if wet:
        cloudiness = 1.0
    haze = {
        'clear': rng.uniform(0.0006, 0.002),
        'glare': rng.uniform(0.0015, 0.003),
        'rain': rng.uniform(0.003, 0.007),
        'fog': rng.uniform(0.011, 0.035),
    }[scenario.weather]
    if scenario.light == 'day':
        height = rng.uniform(0.45, 1.1)
        direct = 0.0 if wet else 0.85 * (1 - cloudiness) ** 0.7
        sky = np.array([0.62, 0.58, 0.54]) * (0.8 + 0.5 * cloudiness)
        sun = np.array([0.78, 0.95, 1.02]) * direct
        grey = rng.uniform(165, 225) if cloudiness > 0.6 else 205.0
        air = np.array([1.06, 1.0, 0.95]) * grey if not wet else np.full(3, grey * 0.92)
        zenith = np.array([205, 140, 78.0]) * (1 - 0.5 * cloudiness) + 95 * cloudiness * 0.9
    elif scenario.light == 'dusk':
        height = rng.uniform(0.10, 0.3)
        direct = 0.0 if wet else 0.45 * (1 - cloudiness)
        sky = np.array([0.36, 0.30, 0.29]) * rng.uniform(0.7, 1.1)
        sun = np.array([0.35, 0.62, 1.0]) * direct
        air = np.array([118, 128, 150.0]) if wet else np.array([125, 158, 205.0])
        zenith = np.array([115, 78, 58.0])
    else:
        height, sun = 0.6, np.zeros(3)
        sky = np.array([0.105, 0.09, 0.085]) * rng.uniform(0.6, 1.5)
        air = np.array([24, 25, 30.0]) * rng.uniform(0.5, 1.5) * (1.7 if wet else 1.0)
        zenith = np.array([22, 15, 12.0])
    if scenario.weather == 'glare':
        height = rng.uniform(0.09, 0.2)
    dark = {'day': 0.0, 'dusk': 0.25, 'night': 1.0}[scenario.light]
    urban = {'city': 1.0, 'suburb': 0.6, 'rural': 0.0, 'motorway': 0.25}[scenario.place]
    return Light(
        to_sun=np.array(
            [np.cos(height) * np.cos(azimuth), np.cos(height) * np.sin(azimuth), np.sin(height)]
        ),
        sun=sun,
        sky=sky,
        air=np.clip(air, 0, 245),
        zenith=zenith,
        haze_per_m=float(haze),
        cloudiness=cloudiness,
        street_lamps=dark * urban * float(rng.uniform(0.25, 0.6)),
        headlights=dark * float(rng.uniform(0.75, 1.2)) if scenario.lamps_on else 0.0,
    )
