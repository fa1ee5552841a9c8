# SPDX-License-Identifier: Apache-2.0
"""Where trees, houses, lamps, signs, signals, rails and gantries stand beside the road."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .props import Prop
from .road import LENGTH_M, Road
from .scenario import Scenario
from .sprites import HOUSE_KINDS, TREE_KINDS, house
from .surface import LAMP_SPACING_M

_BLOCK_M = 60.0
REACH_M = 250.0
_RAIL_REACH_M, _RAIL_FINE_M = 190.0, 60.0
_SMALL, _SMALL_REACH_M = ('bush', 'post', 'bollard', 'sign'), 140.0


class Scenery:
    """All props of a drive, made block by block when the camera comes near."""

    def __init__(self, rng: np.random.Generator, road: Road, scenario: Scenario) -> None:
        self._seed = int(rng.integers(2**31))
        self._road = road
        self._scenario = scenario
        self._woods = float(rng.uniform(0.0, 1.0))
        self._houses = float(rng.uniform(0.55, 1.0))
        self._trees = rng.choice(TREE_KINDS, 4, replace=False)
        self._concrete = bool(rng.random() < 0.6)
        self._blocks: dict[tuple[int, bool], list[Prop]] = {}
        self._rails: dict[tuple[int, bool], list[Prop]] = {}

    def props(self, s_camera: float) -> list[Prop]:
        """Return the props from the camera on."""
        first = int(s_camera // _BLOCK_M)
        last = int(min(s_camera + REACH_M, LENGTH_M - 1) // _BLOCK_M)
        found = []
        for number in range(first, last + 1):
            start = number * _BLOCK_M
            found += self._kept((number, False))
            if start < s_camera + _RAIL_REACH_M:
                found += self._kept((number, start < s_camera + _RAIL_FINE_M), rails=True)
        near, far = s_camera + 1.0, s_camera + _SMALL_REACH_M
        return [p for p in found if near < p.s and (p.s < far or p.kind not in _SMALL)]

    def _kept(self, key: tuple[int, bool], *, rails: bool = False) -> list[Prop]:
        number, fine = key
        cached = self._rails if rails else self._blocks
        if key not in cached:
            start = number * _BLOCK_M
            cached[key] = self._placed(
                self._rails_along(start, fine) if rails else self._make_block(number, start)
            )
        return cached[key]

    def _make_block(self, number: int, start: float) -> list[Prop]:
        rng = np.random.default_rng((self._seed, number))
        props: list[Prop] = []
        for side, edge in zip((-1, 1), self._road.layout.edges, strict=True):
            props += self._houses_along(rng, start, side, edge)
            props += self._trees_along(rng, start, side, edge)
            props += self._furniture(rng, start, side, edge)
        if self._scenario.place == 'motorway' and rng.random() < 0.12:
            props.append(Prop('gantry', start + 30.0, 0.0, 6.2, int(rng.integers(100))))
        return props + self._signals(start)

    def _rails_along(self, start: float, fine: bool) -> list[Prop]:
        """Cut rails into short pieces near the camera, where traffic on both sides shows."""
        step = 6.0 if fine else 20.0
        props = []
        for d in self._road.layout.rail_d:
            median = abs(d) < 7 and self._scenario.place == 'motorway'
            kind = 'barrier' if median and self._concrete else 'rail'
            props += [
                Prop(kind, start + (i + 1) * step, d, step) for i in range(int(_BLOCK_M / step))
            ]
        return props

    def _placed(self, props: list[Prop]) -> list[Prop]:
        """Look up once where the props stand in the world."""
        if not props:
            return []
        frames = self._road.frames(np.array([prop.s for prop in props]))
        slopes = self._road.frames(np.array([prop.s - 4.0 for prop in props])).centre[:, 2]
        placed = []
        for prop, centre, left, before in zip(
            props, frames.centre, frames.left, slopes, strict=True
        ):
            ahead = np.array([left[1], -left[0], (centre[2] - before) / 4.0])
            axes = np.stack([ahead, left, (0.0, 0.0, 1.0)])
            placed.append(replace(prop, place=centre + prop.d * left, axes=axes))
        return placed

    def _clear_of_junctions(self, s: float, reach: float) -> bool:
        return all(abs(s - j.s) > j.half_width + reach for j in self._road.junctions)

    def _houses_along(
        self, rng: np.random.Generator, start: float, side: int, edge: float
    ) -> list[Prop]:
        setback = self._road.layout.building_setback
        if setback is None:
            return []
        tall = self._scenario.place == 'city'
        found: list[Prop] = []
        s, d = start, edge
        attached = False
        while True:
            variant = int(rng.integers(HOUSE_KINDS))
            width = house(variant, tall=tall).size_m[0]
            gap = 0.0 if tall and rng.random() < 0.8 else float(rng.uniform(2, 9))
            if s + width > start + _BLOCK_M:
                return found
            wanted = rng.random() < self._houses
            wanted = wanted and self._clear_of_junctions(s + width / 2, width / 2 + 2.5)
            if wanted:
                if not attached:
                    d = edge + side * (setback + float(rng.uniform(0, 0.8 if tall else 4)))
                kind = 'house_tall' if tall else 'house'
                found.append(Prop(kind, s + width, d, width, variant, attached=attached))
            attached = wanted and gap == 0.0
            s += width + gap

    def _trees_along(
        self, rng: np.random.Generator, start: float, side: int, edge: float
    ) -> list[Prop]:
        urban = self._scenario.place in ('city', 'suburb')
        count = int(rng.integers(0, 5)) if urban else int(3 + 15 * self._woods * rng.random())
        setback = self._road.layout.tree_setback
        found = []
        for _ in range(count):
            s = start + float(rng.uniform(0, _BLOCK_M))
            deep = 0.4 if urban else 3 + 26 * float(rng.random()) ** 1.5
            d = edge + side * (setback + float(rng.uniform(0, 1)) * deep)
            size = float(rng.uniform(4.5, 9)) if urban else float(rng.uniform(6, 15))
            if self._clear_of_junctions(s, 4.0):
                found.append(Prop('tree', s, d, size, int(rng.choice(self._trees))))
        bushes = {'city': 1, 'suburb': 3}.get(self._scenario.place, 7)
        for _ in range(int(rng.integers(0, bushes))):
            s = start + float(rng.uniform(0, _BLOCK_M))
            d = edge + side * (setback + 1.5 + float(rng.uniform(0, 6)))
            if self._clear_of_junctions(s, 4.0):
                found.append(Prop('bush', s, d, float(rng.uniform(0.7, 1.9))))
        return found

    def _furniture(
        self, rng: np.random.Generator, start: float, side: int, edge: float
    ) -> list[Prop]:
        place = self._scenario.place
        beside = edge + side * 0.55
        found: list[Prop] = []
        if place in ('city', 'suburb') or (place == 'motorway' and side == 1):
            steps = range(int(_BLOCK_M / LAMP_SPACING_M))
            found += [
                Prop('lamp', start + (i + 0.5) * LAMP_SPACING_M, beside, 7.5, side) for i in steps
            ]
        if rng.random() < (0.7 if place == 'city' else 0.4):
            s = start + float(rng.uniform(0, _BLOCK_M))
            found.append(Prop('sign', s, beside + side * 0.2, 2.4, int(rng.integers(5))))
        if place == 'rural' or (place == 'motorway' and rng.random() < 0.5):
            found += [Prop('post', start + d, edge + side * 0.7, 1.0) for d in (10.0, 40.0)]
        if place == 'city' and rng.random() < 0.25:
            s = start + float(rng.uniform(0, _BLOCK_M))
            found += [Prop('bollard', s + i * 1.6, edge + side * 0.4, 0.9) for i in range(6)]
        return [prop for prop in found if self._clear_of_junctions(prop.s, 5.5)]

    def _signals(self, start: float) -> list[Prop]:
        low, high = self._road.layout.edges
        found = []
        for number, junction in enumerate(self._road.junctions):
            if self._scenario.place == 'city' and junction.zebra and number % 2 == 0:
                near, far = (
                    junction.s - junction.half_width - 5.6,
                    junction.s + junction.half_width,
                )
                for s, d in ((near, low - 0.5), (near, high + 0.5), (far + 5.5, low - 0.5)):
                    if start <= s < start + _BLOCK_M:
                        found.append(Prop('signal', s, d, 3.2, number // 2 % 3))
        return found
