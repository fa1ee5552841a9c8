# SPDX-License-Identifier: Apache-2.0
"""Who is on the road at a time: moving vehicles, parked ones, people on foot and on cycles."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from .people import Person, draw_person
from .road import Road
from .scenario import Scenario
from .vehicles import Vehicle, draw_vehicle

BEHIND_M, REACH_M = 6.0, 180.0
_REACH_M = {'vehicle': 200.0, 'parked': 110.0, 'cycle': 110.0, 'walker': 90.0}


@dataclass(frozen=True)
class Actor:
    """
    A road user at one moment, at road coordinates (s, d) and at `place` (3,) in the world.

    `yaw` is its heading in the world; streams give it relative to the road until it is placed.
    """

    body: Vehicle | Person
    mount: str  # '', 'bike' or 'motor'
    s: float
    d: float
    yaw: float
    cycle: float = 0.0
    standing: bool = False
    brakes: bool = False
    parked: bool = False
    place: np.ndarray = field(default_factory=lambda: np.zeros(3))


@dataclass(frozen=True)
class Stream:
    """
    Road users that follow each other at one speed, `gap` metres apart.

    The user in slot i is at `i * gap + jitter + speed * t`, so any moment can be computed alone.
    """

    key: int
    kind: str
    d: float
    speed: float
    gap: float
    yaw: float


class Traffic:
    """All streams of a drive; `ego_d` is the lane of the ego vehicle, `speed` its speed."""

    def __init__(self, rng: np.random.Generator, road: Road, scenario: Scenario) -> None:
        self.seed = int(rng.integers(2**31))
        self._road = road
        layout = road.layout
        ours = [lane for lane in layout.lanes if lane.direction == 1]
        self.ego_lane = ours[int(rng.integers(len(ours)))]
        self.speed = float(rng.uniform(*_SPEEDS[scenario.place])) * (1.15 - 0.4 * scenario.density)
        busy = scenario.density
        spread = {'city': 90.0, 'suburb': 150.0, 'rural': 200.0, 'motorway': 120.0}[scenario.place]
        gap = spread * (1 - busy) + {'motorway': 24.0}.get(scenario.place, 13.0)
        self._streams: list[Stream] = []
        self._occupants: dict[tuple[int, int], Actor | None] = {}
        for lane in layout.lanes:
            factor = 1.0 if lane is self.ego_lane else float(rng.uniform(0.85, 1.2))
            yaw = 0.0 if lane.direction == 1 else np.pi
            self._add('vehicle', lane.d, lane.direction * self.speed * factor, gap, yaw)
        for d in layout.parking_d:
            self._add(
                'parked', d, 0.0, float(rng.uniform(6.5, 16)), 0.0 if d * self._side < 0 else np.pi
            )
        for d in layout.cycle_d:
            ours_side = d * self._side < 0
            speed = float(rng.uniform(3.5, 5.5)) * (1 if ours_side else -1)
            self._add('cycle', d, speed, 110 - 70 * busy, 0.0 if ours_side else np.pi)
        walkers = {'city': 13.0, 'suburb': 30.0}.get(scenario.place, 60.0) * (1.6 - busy)
        for d in layout.footway_d:
            for direction in (1, -1):
                shift = float(rng.uniform(-0.6, 0.6))
                yaw = 0.0 if direction == 1 else np.pi
                self._add('walker', d + shift, direction * 1.3, walkers * 2, yaw)
        if scenario.place == 'rural':
            self._add('cycle', layout.edges[0] + 0.2, 5.0, 300.0, 0.0)

    @property
    def _side(self) -> float:
        """Return 1 where traffic keeps to the right, -1 where it keeps to the left."""
        return 1.0 if self.ego_lane.d < 0 else -1.0

    def _add(self, kind: str, d: float, speed: float, gap: float, yaw: float) -> None:
        self._streams.append(Stream(len(self._streams), kind, d, speed, gap, yaw))

    def actors(self, t: float, s_ego: float, s_start: float) -> list[Actor]:
        """Return the road users around the ego vehicle at time `t` in seconds."""
        found = []
        for stream in self._streams:
            moved = s_start + stream.speed * t
            reach = _REACH_M[stream.kind]
            first = int(np.floor((s_ego - BEHIND_M - moved) / stream.gap)) - 1
            last = int(np.ceil((s_ego + reach - moved) / stream.gap)) + 1
            for slot in range(first, last + 1):
                actor = self._occupant(stream, slot)
                if actor is None:
                    continue
                actor = self._moved(stream, slot, actor, moved, t)
                if s_ego - BEHIND_M < actor.s < s_ego + reach and self._has_room(stream, actor):
                    found.append(actor)
        found += self._crossing_people(t, s_ego, s_start)
        found += self._waiting_cars(s_ego)
        return self._placed(found)

    def _placed(self, actors: list[Actor]) -> list[Actor]:
        if not actors:
            return []
        frames = self._road.frames(np.array([actor.s for actor in actors]))
        return [
            replace(actor, place=centre + actor.d * left, yaw=actor.yaw + float(heading))
            for actor, centre, left, heading in zip(
                actors, frames.centre, frames.left, frames.heading, strict=True
            )
        ]

    def _occupant(self, stream: Stream, slot: int) -> Actor | None:
        place = (stream.key, slot)
        if place not in self._occupants:
            self._occupants[place] = self._draw_occupant(stream, slot)
        return self._occupants[place]

    def _draw_occupant(self, stream: Stream, slot: int) -> Actor | None:
        rng = np.random.default_rng((self.seed, stream.key, slot + 2**20))
        s = (slot + float(rng.uniform(-0.3, 0.3))) * stream.gap
        own = stream.kind == 'vehicle' and stream.d == self.ego_lane.d
        if own and -20.0 < s < 16.0:
            return None
        aside = float(rng.normal(0, 0.12))
        actor = Actor(draw_person(rng), '', s, stream.d + aside, stream.yaw)
        if stream.kind == 'vehicle':
            if rng.random() < 0.05:
                return replace(actor, mount='motor')
            return replace(actor, body=draw_vehicle(rng), brakes=bool(rng.random() < 0.2))
        if stream.kind == 'parked':
            if rng.random() < 0.35:
                return None
            kinds = ('sedan', 'hatch', 'suv', 'van')
            turn = np.pi * (rng.random() < 0.08)
            return replace(
                actor, body=draw_vehicle(rng, kinds=kinds), yaw=stream.yaw + turn, parked=True
            )
        if stream.kind == 'cycle':
            return replace(actor, mount='bike' if rng.random() < 0.85 else 'motor')
        return replace(actor, standing=bool(rng.random() < 0.12))

    def _moved(self, stream: Stream, slot: int, actor: Actor, moved: float, t: float) -> Actor:
        breath = 1.5 * np.sin(0.21 * t + 1.7 * slot) if stream.kind == 'vehicle' else 0.0
        aside = 0.1 * np.sin(0.33 * t + 2.3 * slot) if stream.speed else 0.0
        pace = {'walker': 0.75, 'cycle': 0.2}.get(stream.kind, 0.0)
        cycle = t * pace * abs(stream.speed) + 0.37 * slot
        return replace(actor, s=actor.s + moved + breath, d=actor.d + aside, cycle=cycle)

    def _has_room(self, stream: Stream, actor: Actor) -> bool:
        """Keep parked cars and walkers out of junctions."""
        if stream.kind != 'parked':
            return True
        return all(abs(actor.s - j.s) > j.half_width + 10 for j in self._road.junctions)

    def _crossing_people(self, t: float, s_ego: float, s_start: float) -> list[Actor]:
        """Let people cross at zebras, done before the ego vehicle gets there."""
        found = []
        low, high = self._road.layout.edges
        for number, junction in enumerate(self._road.junctions):
            if not junction.zebra or not -10 < junction.s - s_ego < REACH_M:
                continue
            for side in (-1, 1):
                s = junction.s + side * (junction.half_width + 3.5)
                arrival = (s - s_start) / self.speed
                rng = np.random.default_rng((self.seed, 7, number, side + 1))
                for _ in range(int(rng.integers(0, 5))):
                    person, pace = draw_person(rng), float(rng.uniform(1.1, 1.6))
                    direction = 1 if rng.random() < 0.5 else -1
                    start = arrival - float(rng.uniform(3.0, 9.0)) - (high - low) / pace
                    walked = float(np.clip((t - start) * pace, -1.0, high - low + 2.0))
                    d = low + walked if direction == 1 else high - walked
                    waits = walked in (-1.0, high - low + 2.0)
                    place = s + float(rng.uniform(-1.2, 1.2))
                    found.append(
                        Actor(person, '', place, d, direction * np.pi / 2, t * 0.9 + person.phase,
                              standing=waits)
                    )  # fmt: skip
        return found

    def _waiting_cars(self, s_ego: float) -> list[Actor]:
        """Put cars into the mouths of side streets."""
        found = []
        low, high = self._road.layout.edges
        for number, junction in enumerate(self._road.junctions):
            if not -20 < junction.s - s_ego < REACH_M:
                continue
            for side in (-1, 1):
                rng = np.random.default_rng((self.seed, 8, number, side + 1))
                s = junction.s + side * self._side * junction.half_width * 0.45
                edge = high if side == 1 else low
                for queue in range(int(rng.integers(0, 4))):
                    vehicle = draw_vehicle(
                        rng, kinds=('sedan', 'hatch', 'suv', 'van', 'box_truck')
                    )
                    leaving = rng.random() < 0.3
                    yaw = -side * np.pi / 2 + (np.pi if leaving else 0.0)
                    shift = -2 * side * self._side * junction.half_width * 0.45 if leaving else 0.0
                    d = edge + side * (5.5 + 6.8 * queue)
                    found.append(Actor(vehicle, '', s + shift, d, yaw, brakes=not leaving))
        return found


_SPEEDS = {
    'city': (8.0, 13.0),
    'suburb': (9.0, 14.0),
    'rural': (16.0, 24.0),
    'motorway': (22.0, 33.0),
}
