# SPDX-License-Identifier: Apache-2.0
"""Cars, vans, trucks and buses as shaded bodies with windows, wheels, lamps and plates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np

from .solids import FRONT, LEFT, REAR, RIGHT, Face, Part, Solid, decal, disc, loft, patch, plan

KINDS = ('sedan', 'hatch', 'suv', 'van', 'box_truck', 'lorry', 'bus')
CATEGORY = {
    'sedan': 'car',
    'hatch': 'car',
    'suv': 'car',
    'van': 'car',
    'box_truck': 'truck',
    'lorry': 'truck',
    'bus': 'bus',
}
_SHARES = (0.30, 0.24, 0.22, 0.09, 0.06, 0.05, 0.04)
# Blue, green, red; white, silver, grey and black are two thirds of all cars.
_PAINTS = np.array(
    [
        (228, 230, 232), (236, 236, 236), (196, 198, 200), (164, 166, 166), (120, 120, 118),
        (84, 82, 80), (52, 50, 50), (34, 33, 33), (42, 40, 44), (120, 74, 44), (92, 52, 30),
        (150, 110, 74), (36, 34, 148), (44, 40, 190), (48, 60, 110), (60, 92, 58), (40, 150, 206),
        (120, 150, 168), (96, 120, 140),
    ],
    float,
)  # fmt: skip
_CARGO = np.array(
    [
        (230, 232, 234),
        (205, 208, 210),
        (40, 60, 190),
        (170, 110, 50),
        (60, 190, 225),
        (90, 140, 60),
    ]
)


@dataclass(frozen=True)
class Vehicle:
    """A vehicle of one kind and its colours."""

    kind: str
    paint: tuple[float, float, float]
    cargo: tuple[float, float, float]

    @property
    def solid(self) -> Solid:
        """Return the body, shared by all vehicles of this kind."""
        return _solid(self.kind)

    @property
    def half_size(self) -> tuple[float, float, float]:
        """Return half the length, half the width and the height in metres."""
        length, width, height = self.solid.extent
        return length / 2, 0.93 * width / 2, height

    def albedo(self, *, lamps: bool, brakes: bool) -> np.ndarray:
        """Return the colour of each face (n, 3)."""
        return _albedo(self, lamps, brakes)

    def lamps(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the places (2, 3) of the head and of the tail lamps."""
        x0, x1 = self.solid.corners[:, 0].min(), self.solid.corners[:, 0].max()
        y = self.half_size[1] - 0.2
        z = 0.68 if self.kind in ('sedan', 'hatch') else 0.85
        front = np.array([(x1 + 0.02, y, z), (x1 + 0.02, -y, z)])
        rear = np.array([(x0 - 0.02, y, z + 0.1), (x0 - 0.02, -y, z + 0.1)])
        return front, rear


@lru_cache(maxsize=512)
def _albedo(vehicle: Vehicle, lamps: bool, brakes: bool) -> np.ndarray:
    paint = np.array(vehicle.paint)
    named = dict(_COLOURS)
    named.update(paint=paint, roof=paint, skirt=paint * 0.86, cargo=np.array(vehicle.cargo))
    if lamps:
        named['head'] = np.array([215, 245, 255.0])
        named['tail'] = np.array([30, 25, 215.0])
    if brakes:
        named['tail'] = np.array([60, 50, 255.0])
    return np.stack([named[name] for name in vehicle.solid.materials])


def draw_vehicle(rng: np.random.Generator, *, kinds: tuple[str, ...] = KINDS) -> Vehicle:
    """Draw a vehicle by its share on real roads."""
    shares = np.array([_SHARES[KINDS.index(kind)] for kind in kinds])
    kind = str(rng.choice(kinds, p=shares / shares.sum()))
    paint = np.clip(_PAINTS[rng.integers(len(_PAINTS))] + rng.normal(0, 6, 3), 18, 245)
    if kind == 'bus':
        paint = np.array([(60, 180, 225), (40, 40, 190), (225, 225, 225), (150, 110, 40)])[
            rng.integers(4)
        ].astype(float)
    cargo = _CARGO[rng.integers(len(_CARGO))]
    return Vehicle(kind, tuple(paint.tolist()), tuple(cargo.tolist()))


_COLOURS = {
    'under': np.array([20, 20, 20.0]),
    'tyre': np.array([30, 29, 28.0]),
    'rim': np.array([118, 118, 118.0]),
    'arch': np.array([16, 16, 16.0]),
    'glass': np.array([34, 31, 28.0]),
    'screen': np.array([38, 35, 32.0]),
    'trim': np.array([38, 38, 38.0]),
    'plate': np.array([225, 230, 232.0]),
    'head': np.array([205, 208, 208.0]),
    'tail': np.array([34, 28, 150.0]),
    'seam': np.array([60, 60, 60.0]),
    'band': np.array([200, 200, 205.0]),
    'door': np.array([120, 120, 118.0]),
}


@cache
def _solid(kind: str) -> Solid:
    if kind == 'bus':
        return Solid(_bus())
    if kind in ('box_truck', 'lorry'):
        return Solid(_truck(kind))
    return Solid(_car(kind))


# Of each car kind: half length and width, belt (rear, front), roof height, greenhouse at the
# belt and at the roof (rear, front), wheel places and radius.
_CARS = {
    'sedan': (2.3, 0.9, (0.98, 0.86), 1.45, (-1.85, 1.05), (-1.0, 0.2), (-1.35, 1.4), 0.32),
    'hatch': (2.0, 0.87, (0.98, 0.90), 1.50, (-1.93, 1.0), (-1.5, 0.15), (-1.2, 1.25), 0.31),
    'suv': (2.25, 0.94, (1.12, 1.04), 1.72, (-2.18, 1.1), (-1.85, 0.3), (-1.35, 1.4), 0.37),
    'van': (2.6, 0.98, (1.2, 1.12), 2.12, (-2.55, 1.75), (-2.45, 1.0), (-1.6, 1.7), 0.34),
}


def _car(kind: str) -> list[Part]:
    half, w, belt, roof, at_belt, at_roof, wheels, radius = _CARS[kind]
    base = 0.2
    low = plan((-half + 0.1, half - 0.1), w - 0.06, (base, base), 0.16)
    wide = plan((-half, half), w, (0.5, 0.48), 0.16)
    mid = plan((-half + 0.02, half - 0.06), w - 0.01, (belt[0] - 0.22, belt[1] - 0.2), 0.17)
    top = plan((-half + 0.08, half - 0.22), w - 0.09, belt, 0.18)
    body = loft([low, wide], 'skirt') + loft([wide, mid, top], 'paint', 'roof')
    body += _lamps_of_car(wide, mid, low, kind)
    for side in (LEFT, RIGHT):
        body += [
            decal(wide, mid, side, patch(0.345, 0.352, -0.5, 1.0), 'seam', 22),
            decal(wide, mid, side, patch(0.60, 0.607, -0.5, 1.0), 'seam', 22),
            decal(wide, mid, side, patch(0.37, 0.43, 0.62, 0.74), 'trim', 30),
        ]
    body += _wheels(wheels, w, radius)
    belt_line = plan(at_belt, w - 0.1, (belt[0] - 0.02, belt[1]), 0.1)
    roof_line = plan(at_roof, w - 0.27, (roof - 0.03, roof - 0.02), 0.1)
    crown = plan((at_roof[0] + 0.12, at_roof[1] - 0.14), w - 0.36, (roof, roof), 0.1)
    cabin = loft([belt_line, roof_line, crown], 'paint', 'roof')
    cabin += [
        decal(belt_line, roof_line, FRONT, patch(0.02, 0.98, 0.04, 0.94), 'screen', 0),
        decal(belt_line, roof_line, REAR, patch(0.05, 0.95, 0.16, 0.9), 'screen', 0),
    ]
    for side in (LEFT, RIGHT):
        for x0, x1 in ((0.05, 0.33), (0.36, 0.64), (0.67, 0.95)):
            cabin.append(decal(belt_line, roof_line, side, patch(x0, x1, 0.1, 0.88), 'glass', 0))
    mirrors = [_mirror(at_belt[1] - 0.45, side * (w + 0.06), belt[1] + 0.1) for side in (1, -1)]
    chassis = _chassis(wheels, w, radius, base + 0.12)
    return [chassis, Part(1, tuple(body)), Part(2, tuple(cabin)), *mirrors]


def _mirror(x: float, y: float, z: float) -> Part:
    rings = [
        plan((x - 0.08, x + 0.08), 0.11, (level, level), 0.02) for level in (z - 0.07, z + 0.08)
    ]
    faces = loft([ring + (0, y, 0) for ring in rings], 'paint', 'paint')
    return Part(2, tuple(replace(one, finest_px=14.0) for one in faces))


def _lamps_of_car(wide: np.ndarray, mid: np.ndarray, low: np.ndarray, kind: str) -> list[Face]:
    tail = (0.0, 0.2, 0.45, 0.98) if kind in ('sedan', 'hatch') else (0.0, 0.13, 0.3, 1.0)
    x0, x1, z0, z1 = tail
    return [
        decal(low, wide, REAR, patch(0.0, 1.0, 0.1, 0.75), 'trim', 10),
        decal(wide, mid, REAR, patch(x0, x1, z0, z1), 'tail', 3),
        decal(wide, mid, REAR, patch(1 - x1, 1 - x0, z0, z1), 'tail', 3),
        decal(wide, mid, REAR, patch(0.36, 0.64, 0.12, 0.5), 'plate', 7),
        decal(wide, mid, REAR - 1, patch(0.45, 1.0, z0, z1), 'tail', 7),
        decal(wide, mid, REAR + 1, patch(0.0, 0.55, z0, z1), 'tail', 7),
        decal(low, wide, FRONT, patch(0.12, 0.88, 0.15, 0.8), 'trim', 6),
        decal(wide, mid, FRONT, patch(0.26, 0.74, 0.2, 0.8), 'trim', 6),
        decal(low, wide, FRONT, patch(0.35, 0.65, 0.55, 0.98), 'plate', 9),
        decal(wide, mid, FRONT, patch(0.0, 0.22, 0.4, 0.95), 'head', 3),
        decal(wide, mid, FRONT, patch(0.78, 1.0, 0.4, 0.95), 'head', 3),
        decal(wide, mid, FRONT + 1, patch(0.0, 0.5, 0.4, 0.95), 'head', 7),
        decal(wide, mid, RIGHT + 1, patch(0.5, 1.0, 0.4, 0.95), 'head', 7),
    ]


def _chassis(wheels: tuple[float, ...], w: float, radius: float, top: float) -> Part:
    """Tyres as seen from front and rear, and the dark belly between them."""
    belly = (wheels[0] - 0.5, wheels[-1] + 0.5)
    faces = loft([plan(belly, w - 0.12, (z, z), 0.05) for z in (0.16, top)], 'under')
    for x in wheels:
        for y in (0.12 - w, w - 0.12):
            ring = [plan((x - radius, x + radius), 0.1, (z, z), 0.02) for z in (0.0, 2 * radius)]
            for outline in ring:
                outline[:, 1] += y
                outline[:, 0] = x + (outline[:, 0] - x) * 0.75
            faces += loft(ring, 'tyre')
    return Part(0, tuple(faces))


def _wheels(places: tuple[float, ...], w: float, radius: float) -> list[Face]:
    faces = []
    for x in places:
        for side in (1, -1):
            at = np.array([x, side * (w + 0.005), radius])
            faces += [
                disc(at + (0, 0, 0.04), radius * 1.16, side, 'arch', 5),
                disc(at, radius, side, 'tyre', 0),
                disc(at, radius * 0.66, side, 'rim', 6),
                disc(at, radius * 0.25, side, 'trim', 20),
            ]
    return faces


def _truck(kind: str) -> list[Part]:
    long = kind == 'lorry'
    back, nose = (-8.0, 4.2) if long else (-4.2, 3.0)
    w = 1.25 if long else 1.12
    high = 3.9 if long else 3.1
    cab_back = nose - (2.3 if long else 1.9)
    wheels = (-6.6, -5.4, -4.2, nose - 1.3) if long else (-2.6, nose - 1.1)
    radius = 0.5 if long else 0.42
    floor = 1.1 if long else 0.95
    bed, lid = (plan((back, cab_back - 0.25), w, (z, z), 0.02) for z in (floor, high))
    cargo = loft([bed, lid], 'cargo', 'cargo')
    cargo += [
        decal(bed, lid, REAR, patch(0.03, 0.97, 0.03, 0.97), 'cargo', 6),
        decal(bed, lid, REAR, patch(0.497, 0.503, 0.03, 0.97), 'seam', 6),
        decal(bed, lid, REAR, patch(0.0, 1.0, 0.0, 0.03), 'trim', 4),
        decal(bed, lid, LEFT, patch(0.1, 0.9, 0.35, 0.7), 'band', 4),
        decal(bed, lid, RIGHT, patch(0.1, 0.9, 0.35, 0.7), 'band', 4),
    ]
    top = 3.2 if long else 2.4
    low, belt, roof = (
        plan((cab_back, nose - cut), w - 0.02 - cut / 4, (z, z), 0.1)
        for z, cut in ((0.45, 0.0), (top * 0.55, 0.03), (top, 0.25))
    )
    cab = loft([low, belt, roof], 'paint', 'roof')
    cab += [
        decal(belt, roof, FRONT, patch(0.03, 0.97, 0.08, 0.8), 'screen', 0),
        decal(belt, roof, LEFT, patch(0.05, 0.7, 0.08, 0.7), 'glass', 0),
        decal(belt, roof, RIGHT, patch(0.3, 0.95, 0.08, 0.7), 'glass', 0),
        decal(low, belt, FRONT, patch(0.15, 0.85, 0.35, 0.8), 'trim', 4),
        decal(low, belt, FRONT, patch(0.02, 0.2, 0.12, 0.32), 'head', 4),
        decal(low, belt, FRONT, patch(0.8, 0.98, 0.12, 0.32), 'head', 4),
        decal(low, belt, FRONT, patch(0.38, 0.62, 0.05, 0.16), 'plate', 9),
    ]
    cab += _wheels(wheels[-1:], w, radius)
    sill, deck = (plan((back, nose - 0.1), w - 0.25, (z, z), 0.05) for z in (0.5, floor))
    under = loft([sill, deck], 'under')
    under += [
        decal(sill, deck, REAR, patch(0.0, 0.18, 0.3, 0.7), 'tail', 3),
        decal(sill, deck, REAR, patch(0.82, 1.0, 0.3, 0.7), 'tail', 3),
        decal(sill, deck, REAR, patch(0.4, 0.6, 0.25, 0.65), 'plate', 9),
    ]
    under += _wheels(wheels[:-1], w - 0.03, radius)
    return [
        _chassis(wheels, w, radius, floor),
        Part(1, tuple(under)),
        Part(2, tuple(cab)),
        Part(2, tuple(cargo)),
    ]


def _bus() -> list[Part]:
    w, half, high = 1.25, 5.8, 3.0
    low, belt, cornice, top = (
        plan((-half + cut, half - cut), w - cut / 3, (z, z), 0.12)
        for z, cut in ((0.3, 0.05), (1.25, 0.0), (2.5, 0.05), (high, 0.16))
    )
    body = loft([low, belt, cornice, top], 'paint', 'roof')
    body += [
        decal(belt, cornice, FRONT, patch(0.02, 0.98, -0.25, 0.98), 'screen', 0),
        decal(belt, cornice, REAR, patch(0.08, 0.92, 0.15, 0.85), 'screen', 0),
        decal(cornice, top, FRONT, patch(0.2, 0.8, 0.15, 0.7), 'trim', 5),
        decal(low, belt, FRONT, patch(0.03, 0.2, 0.2, 0.42), 'head', 3),
        decal(low, belt, FRONT, patch(0.8, 0.97, 0.2, 0.42), 'head', 3),
        decal(low, belt, FRONT, patch(0.4, 0.6, 0.08, 0.22), 'plate', 9),
        decal(low, belt, REAR, patch(0.02, 0.12, 0.3, 0.9), 'tail', 3),
        decal(low, belt, REAR, patch(0.88, 0.98, 0.3, 0.9), 'tail', 3),
        decal(low, belt, REAR, patch(0.4, 0.6, 0.2, 0.36), 'plate', 9),
        decal(low, belt, REAR, patch(0.2, 0.8, 0.45, 0.85), 'trim', 6),
    ]
    for side in (LEFT, RIGHT):
        body.append(decal(belt, cornice, side, patch(0.01, 0.99, 0.0, 0.9), 'glass', 0))
        for i in range(1, 8):
            x = i / 8
            body.append(decal(belt, cornice, side, patch(x - 0.006, x, 0.0, 0.9), 'trim', 8))
        body.append(decal(low, belt, side, patch(0.0, 1.0, 0.35, 0.5), 'band', 5))
    wheels = (-3.2, 3.4)
    body += _wheels(wheels, w, 0.48)
    return [_chassis(wheels, w, 0.48, 0.5), Part(1, tuple(body))]
