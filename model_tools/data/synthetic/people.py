# SPDX-License-Identifier: Apache-2.0
"""Pedestrians, cyclists and motorcyclists with limbs, clothes and machines."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .camera import NEAR_M
from .painter import Canvas, Extent, fixed

_SKINS = np.array([(150, 180, 222), (120, 152, 200), (88, 116, 165), (58, 78, 112)], float)
_CLOTHES = np.array(
    [
        (40, 38, 38), (60, 52, 48), (120, 84, 50), (96, 60, 34), (44, 40, 150), (170, 170, 172),
        (215, 215, 218), (70, 100, 74), (60, 120, 190), (90, 60, 110), (40, 90, 200),
        (130, 120, 90), (80, 80, 84), (30, 30, 34),
    ],
    float,
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """A person: height in metres and the colours of the parts."""

    height: float
    skin: np.ndarray
    hair: np.ndarray
    top: np.ndarray
    legs: np.ndarray
    shoes: np.ndarray
    bag: bool
    phase: float


Point = tuple[float, float, float]
Limb = tuple[Point, Point, float, float, np.ndarray]  # two ends, their radii, colour


def draw_person(rng: np.random.Generator) -> Person:
    """Draw a person."""

    def pick(table: np.ndarray) -> np.ndarray:
        return table[rng.integers(len(table))]

    return Person(
        height=float(np.clip(rng.normal(1.70, 0.12), 1.15, 1.95)),
        skin=pick(_SKINS),
        hair=np.array([30, 38, 50.0]) * rng.uniform(0.4, 2.4),
        top=pick(_CLOTHES),
        legs=pick(_CLOTHES) * 0.8,
        shoes=np.array([40, 40, 42.0]) * rng.uniform(0.5, 3),
        bag=bool(rng.random() < 0.35),
        phase=float(rng.uniform(0, 1)),
    )


def walking(person: Person, cycle: float, *, standing: bool) -> list[Limb]:
    """Pose a walker; `cycle` counts double steps. x is forward, y left, z up, in metres."""
    swing = 0.05 if standing else 0.34
    limbs: list[Limb] = []
    for side, turn in ((1, 0.0), (-1, np.pi)):
        angle = swing * np.sin(2 * np.pi * cycle + turn)
        bend = 0.0 if standing else 0.35 * max(0.0, np.sin(2 * np.pi * cycle + turn + 1.9))
        hip = (0.0, 0.09 * side, 0.90)
        knee = (0.46 * np.sin(angle), 0.09 * side, 0.90 - 0.44 * np.cos(angle))
        foot = (
            knee[0] + 0.42 * np.sin(angle - bend),
            0.09 * side,
            max(knee[2] - 0.42 * np.cos(angle - bend), 0.06),
        )
        limbs.append((hip, knee, 0.085, 0.065, person.legs))
        limbs.append((knee, foot, 0.062, 0.045, person.legs))
        limbs.append((foot, (foot[0] + 0.15, foot[1], 0.04), 0.05, 0.035, person.shoes))
        arm = -angle * 0.9
        shoulder = (0.0, 0.19 * side, 1.42)
        elbow = (0.28 * np.sin(arm), 0.23 * side, 1.42 - 0.28 * np.cos(arm))
        hand = (elbow[0] + 0.25 * np.sin(arm + 0.3), 0.22 * side, elbow[2] - 0.24)
        limbs.append((shoulder, elbow, 0.055, 0.045, person.top * 0.92))
        limbs.append((elbow, hand, 0.042, 0.035, person.top * 0.92))
        limbs.append((hand, (hand[0], hand[1], hand[2] - 0.06), 0.035, 0.03, person.skin))
    limbs += _trunk(person, lean=0.03, seat=0.0)
    if person.bag:
        limbs.append(((-0.16, 0.0, 1.32), (-0.17, 0.0, 1.06), 0.12, 0.14, person.shoes))
    scale = person.height / 1.76
    return [_scaled(limb, scale) for limb in limbs]


def riding(person: Person, cycle: float, *, motor: bool) -> list[Limb]:
    """Pose a rider on a cycle."""
    limbs: list[Limb] = []
    seat = 0.78 if motor else 0.98
    grip = (0.52, 0.0, 1.02) if motor else (0.50, 0.0, 1.05)
    for side, turn in ((1, 0.0), (-1, np.pi)):
        spin = 2 * np.pi * cycle + turn
        foot = (
            (0.05, 0.16 * side, 0.35)
            if motor
            else (0.12 + 0.16 * np.cos(spin), 0.11 * side, 0.32 - 0.16 * np.sin(spin))
        )
        hip = (-0.12, 0.1 * side, seat)
        knee = ((hip[0] + foot[0]) / 2 + 0.24, 0.13 * side, (hip[2] + foot[2]) / 2 + 0.08)
        shoulder = (0.14, 0.18 * side, seat + 0.5)
        elbow = (0.28, 0.24 * side, seat + 0.24)
        limbs += [
            (hip, knee, 0.09, 0.065, person.legs),
            (knee, foot, 0.06, 0.045, person.legs),
            (foot, (foot[0] + 0.13, foot[1], foot[2] - 0.03), 0.05, 0.035, person.shoes),
            (shoulder, elbow, 0.055, 0.045, person.top * 0.92),
            (elbow, (grip[0], 0.24 * side, grip[2]), 0.042, 0.035, person.top * 0.9),
        ]
    return limbs + _trunk(person, lean=0.24, seat=seat - 0.92, x=-0.12)


def _trunk(person: Person, *, lean: float, seat: float, x: float = 0.0) -> list[Limb]:
    def at(height: float, y: float = 0.0) -> tuple[float, float, float]:
        return (x + lean * (height - 0.92) / 0.5, y, height + seat)

    head = at(1.64)
    return [
        (at(0.92, 0.04), at(0.92, -0.04), 0.14, 0.14, person.legs),
        (at(1.0, 0.05), at(1.38, 0.09), 0.125, 0.105, person.top),
        (at(1.0, -0.05), at(1.38, -0.09), 0.125, 0.105, person.top),
        (at(1.48), at(1.56), 0.06, 0.055, person.skin),
        (head, (head[0], head[1], head[2] + 0.03), 0.1, 0.1, person.skin),
        ((head[0] - 0.025, head[1], head[2] + 0.05), (head[0] - 0.02, head[1], head[2] + 0.07),
         0.105, 0.09, person.hair),
    ]  # fmt: skip


def bicycle(colour: np.ndarray) -> list[Limb]:
    """Build the frame and the wheels of a bicycle."""
    dark = np.array([36, 36, 36.0])
    limbs: list[Limb] = []
    rear, front, crank, saddle, head = (
        (-0.52, 0.0, 0.34), (0.54, 0.0, 0.34), (0.0, 0.0, 0.30), (-0.16, 0.0, 0.92),
        (0.42, 0.0, 0.92),
    )  # fmt: skip
    limbs += _wheel(rear, 0.33, 0.022, dark) + _wheel(front, 0.33, 0.022, dark)
    for a, b in (
        (rear, crank),
        (crank, saddle),
        (crank, head),
        (saddle, head),
        (rear, saddle),
        (head, front),
    ):
        limbs.append((a, b, 0.022, 0.022, colour))
    limbs.append(((0.44, -0.27, 1.03), (0.44, 0.27, 1.03), 0.018, 0.018, dark))
    limbs.append(((-0.26, 0.0, 0.95), (-0.04, 0.0, 0.95), 0.045, 0.03, dark))
    return limbs


def motorcycle(colour: np.ndarray) -> list[Limb]:
    """Build a motorcycle."""
    dark = np.array([30, 30, 30.0])
    limbs = _wheel((-0.66, 0.0, 0.31), 0.28, 0.075, dark) + _wheel(
        (0.66, 0.0, 0.31), 0.28, 0.06, dark
    )
    limbs += [
        ((-0.35, 0.0, 0.45), (0.3, 0.0, 0.42), 0.17, 0.15, dark * 1.8),
        ((0.0, 0.0, 0.78), (0.4, 0.0, 0.8), 0.14, 0.15, colour),
        ((-0.75, 0.0, 0.8), (-0.1, 0.0, 0.72), 0.09, 0.13, dark),
        ((0.45, 0.0, 0.85), (0.66, 0.0, 0.31), 0.05, 0.05, np.array([140, 140, 140.0])),
        ((0.5, 0.0, 0.88), (0.56, 0.0, 0.9), 0.12, 0.13, colour),
        ((0.42, -0.36, 1.0), (0.42, 0.36, 1.0), 0.025, 0.025, dark),
        ((-0.82, 0.0, 0.74), (-0.8, 0.0, 0.74), 0.06, 0.06, np.array([30, 25, 190.0])),
    ]
    return limbs


def _wheel(
    hub: tuple[float, float, float], radius: float, thick: float, colour: np.ndarray
) -> list[Limb]:
    turn = np.linspace(0, 2 * np.pi, 13)
    rim = np.stack([np.cos(turn), np.zeros(13), np.sin(turn)], -1) * radius + hub
    return [(tuple(a), tuple(b), thick, thick, colour) for a, b in pairwise(rim)]


def _scaled(limb: Limb, scale: float) -> Limb:
    a, b, ra, rb, colour = limb
    return _point(a, scale), _point(b, scale), ra * scale, rb * scale, colour


def _point(point: Point, scale: float) -> Point:
    x, y, z = point
    return x * scale, y * scale, z * scale


def paint_limbs(
    canvas: Canvas, limbs: list[Limb], place: np.ndarray, yaw: float, owner: int, *, beam: float
) -> Extent | None:
    """
    Paint a body of limbs that stands at a world point (3,) and looks along `yaw`.

    Return the image area that it may cover, None if it is out of view.
    """
    camera, light = canvas.camera, canvas.light
    cos, sin = np.cos(yaw), np.sin(yaw)
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    ends = np.array([limb[:2] for limb in limbs])
    points = ends @ (turn @ camera.rotation.T) + camera.to_camera(place)
    if (points[..., 2] < NEAR_M).any():
        return None
    pixels = camera.to_pixels(points)
    extent = canvas.extent(pixels)
    if extent is None:
        return None
    radii = np.array([limb[2:4] for limb in limbs]) * camera.focal / points[..., 2]
    distance = float(points[..., 2].mean())
    gain = light.upright + beam * _LAMP
    albedo = np.stack([limb[4] for limb in limbs])
    dark = canvas.seen_through_air(albedo * gain * 0.85, distance).tolist()
    shapes = fixed(_capsules(pixels, radii))
    order = np.argsort(-points[..., 2].max(1), kind='stable').tolist()
    if camera.focal / distance < 28:
        for i in order:
            canvas.fill(shapes[i], dark[i], owner)
        return _grown(extent, radii, canvas)
    lit = canvas.seen_through_air(np.clip(albedo * gain * 1.18 + 6, 0, 255), distance).tolist()
    sunward = np.array([np.sign(camera.rotation[0] @ light.to_sun + 1e-9), -0.5])
    aside = sunward * radii.max(1)[:, None, None] * 0.35
    bright = fixed(_capsules(pixels + aside, radii * 0.62))
    for i in order:
        canvas.fill(shapes[i], dark[i], owner)
        canvas.fill(bright[i], lit[i])
    return _grown(extent, radii, canvas)


def _grown(extent: Extent, radii: np.ndarray, canvas: Canvas) -> Extent:
    rim = int(radii.max()) + 1
    height, width = canvas.owner.shape
    rows, columns = extent
    return (
        slice(max(rows.start - rim, 0), min(rows.stop + rim, height)),
        slice(max(columns.start - rim, 0), min(columns.stop + rim, width)),
    )


def _capsules(ends: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Return the outlines (n, 14, 2) of pairs of circles, `ends` (n, 2, 2), and all between."""
    axis = ends[:, 1] - ends[:, 0]
    turn = np.arctan2(axis[:, 1], axis[:, 0])[:, None] + _HALF
    round_end = np.stack([np.cos(turn), np.sin(turn)], -1)
    radii = np.maximum(radii, 0.35)[..., None, None]
    return np.concatenate(
        [ends[:, 1:] + radii[:, 1] * round_end, ends[:, :1] - radii[:, 0] * round_end], axis=1
    )


_HALF = np.linspace(-np.pi / 2, np.pi / 2, 7)
_LAMP = np.array([0.85, 0.97, 1.0])
