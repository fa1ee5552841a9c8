# SPDX-License-Identifier: Apache-2.0
"""The cross-section of a road: lanes, paint, pavement and what lies beside it.

Offsets `d` are metres to the left of the reference line, which separates the two directions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Lane:
    """A lane of moving traffic; `direction` is 1 for the ego vehicle's own, -1 for oncoming."""

    d: float
    width: float
    direction: int


@dataclass(frozen=True)
class Line:
    """A painted line along the road, `width` metres wide."""

    d: float
    dashed: bool = False
    yellow: bool = False
    width: float = 0.15


@dataclass(frozen=True)
class Strip:
    """A surface beside the carriageway that starts `start` metres from its edge."""

    start: float
    material: str


@dataclass(frozen=True)
class Layout:
    """One cross-section, constant over a drive."""

    lanes: tuple[Lane, ...]
    lines: tuple[Line, ...]
    carriageways: tuple[tuple[float, float], ...]
    strips: tuple[Strip, ...]
    dash_m: tuple[float, float]
    parking_d: tuple[float, ...] = ()
    cycle_d: tuple[float, ...] = ()
    footway_d: tuple[float, ...] = ()
    rail_d: tuple[float, ...] = ()
    building_setback: float | None = None
    tree_setback: float = 6.0

    @property
    def edges(self) -> tuple[float, float]:
        """Return the outermost offsets (right, left) of the pavement."""
        return min(lo for lo, _ in self.carriageways), max(hi for _, hi in self.carriageways)

    def mirrored(self) -> Layout:
        """Return the same road for traffic that keeps to the left."""

        def flip(offsets: tuple[float, ...]) -> tuple[float, ...]:
            return tuple(-d for d in offsets)

        return replace(
            self,
            lanes=tuple(replace(lane, d=-lane.d) for lane in self.lanes),
            lines=tuple(replace(line, d=-line.d) for line in self.lines),
            carriageways=tuple((-hi, -lo) for lo, hi in self.carriageways),
            parking_d=flip(self.parking_d),
            cycle_d=flip(self.cycle_d),
            footway_d=flip(self.footway_d),
            rail_d=flip(self.rail_d),
        )


def draw_layout(rng: np.random.Generator, place: str) -> Layout:
    """Draw the cross-section of a road that suits the place."""
    layout = motorway(rng) if place == 'motorway' else street(rng, place)
    return layout.mirrored() if rng.random() < 0.3 else layout


def motorway(rng: np.random.Generator) -> Layout:
    """Two carriageways with a median, shoulders and guard rails."""
    count = int(rng.integers(2, 5))
    width = 3.6
    median = float(rng.choice([0.9, 1.6, 4.0, 7.0]))
    inner, outer = float(rng.uniform(0.5, 1.0)), float(rng.uniform(1.6, 3.0))
    yellow = bool(rng.random() < 0.5)
    left = median + inner
    right = left + count * width
    lanes, lines = [], []
    for side, direction in ((-1, 1), (1, -1)):
        lanes += [Lane(side * (left + (i + 0.5) * width), width, direction) for i in range(count)]
        lines += [Line(side * left, yellow=yellow), Line(side * right, width=0.2)]
        lines += [Line(side * (left + i * width), dashed=True) for i in range(1, count)]
    edge = right + outer
    rails = [-edge - 0.6, edge + 0.6] if rng.random() < 0.7 else []
    rails += [0.0] if median < 2 else [-median + 0.4, median - 0.4]
    return Layout(
        lanes=tuple(lanes),
        lines=tuple(lines),
        carriageways=((-edge, -median), (median, edge)),
        strips=(Strip(0.0, 'gravel'), Strip(0.5, 'grass')),
        dash_m=(3.0, 9.0) if yellow else (6.0, 12.0),
        rail_d=tuple(rails),
        tree_setback=float(rng.uniform(5, 14)),
    )


def street(rng: np.random.Generator, place: str) -> Layout:
    """One carriageway for both directions."""
    most = {'city': 4, 'suburb': 2, 'rural': 2}[place]
    ours = int(rng.integers(1, most))
    theirs = ours if rng.random() < 0.8 else 1
    width = float(rng.uniform(3.0, 3.6))
    yellow = bool(rng.random() < 0.4)
    urban = place != 'rural'
    parking = urban and rng.random() < 0.55
    cycle = urban and not parking and rng.random() < 0.45
    margin = 2.2 if parking else 1.5 if cycle else float(rng.uniform(0.2, 0.9))
    lanes = [Lane(-(i + 0.5) * width, width, 1) for i in range(ours)]
    lanes += [Lane((i + 0.5) * width, width, -1) for i in range(theirs)]
    right, left = -ours * width, theirs * width
    lines = _centre_lines(rng, yellow=yellow, busy=ours > 1)
    lines += [Line(-i * width, dashed=True) for i in range(1, ours)]
    lines += [Line(i * width, dashed=True) for i in range(1, theirs)]
    if cycle or rng.random() < (0.35 if urban else 0.8):
        dashed = cycle and bool(rng.random() < 0.4)
        lines += [Line(right, dashed=dashed), Line(left, dashed=dashed)]
    edges = (right - margin, left + margin)
    walk = float(rng.uniform(1.8, 4.0)) if place == 'city' else float(rng.uniform(1.4, 2.2))
    verge = 0.0 if place == 'city' else float(rng.choice([0.0, 1.5]))
    strips: tuple[Strip, ...]
    if urban:
        strips = (
            Strip(0.0, 'kerb'),
            Strip(0.18, 'grass' if verge else 'paving'),
            Strip(0.18 + verge, 'paving'),
            Strip(0.18 + verge + walk, 'paving' if place == 'city' else 'grass'),
        )
    else:
        strips = (Strip(0.0, 'gravel'), Strip(float(rng.uniform(0.3, 1.2)), 'grass'))
    footway = 0.18 + verge + walk / 2
    setback = {'city': walk + 0.6, 'suburb': verge + walk + float(rng.uniform(3, 8))}
    return Layout(
        lanes=tuple(lanes),
        lines=tuple(lines),
        carriageways=(edges,),
        strips=strips,
        dash_m=(3.0, 9.0) if yellow else (3.0, 5.0) if urban else (3.0, 6.0),
        parking_d=(edges[0] + 1.0, edges[1] - 1.0) if parking else (),
        cycle_d=(right - margin * 0.6, left + margin * 0.6) if urban and margin > 1 else (),
        footway_d=(edges[0] - footway, edges[1] + footway) if urban else (),
        rail_d=(edges[0] - 0.9,) if not urban and rng.random() < 0.5 else (),
        building_setback=setback.get(place),
        tree_setback=verge / 2 + 0.3 if verge else 1.2 if urban else float(rng.uniform(2.5, 8)),
    )


def _centre_lines(rng: np.random.Generator, *, yellow: bool, busy: bool) -> list[Line]:
    kind = rng.choice(
        ['double', 'solid', 'dashed', 'mixed', 'none'], p=[0.3, 0.15, 0.35, 0.1, 0.1]
    )
    if kind == 'double' or (busy and kind == 'none'):
        return [Line(-0.15, yellow=yellow, width=0.12), Line(0.15, yellow=yellow, width=0.12)]
    if kind == 'mixed':
        return [
            Line(-0.15, dashed=True, yellow=yellow, width=0.12),
            Line(0.15, yellow=yellow, width=0.12),
        ]
    if kind == 'none':
        return []
    return [Line(0.0, dashed=kind == 'dashed', yellow=yellow)]
