# SPDX-License-Identifier: Apache-2.0
"""How road users are painted, and what is noted about them for the labels."""

from __future__ import annotations

import numpy as np

from .labels import Drawn, drawn
from .painter import Canvas, Extent
from .people import bicycle, motorcycle, paint_limbs, riding, walking
from .scenario import Scenario
from .solids import paint_solid
from .traffic import Actor
from .vehicles import CATEGORY, Vehicle

_LEAST_CLEAR = 0.08  # what the air hides beyond this gets no label
_LAMP_REACH = 0.35  # lamps are seen through about three times as much fog
_LAMP_GAINS = {'day': 0.45, 'dusk': 0.7, 'night': 1.0}


class ActorPainter:
    """Paints the road users of one frame and collects `users`, the farthest first."""

    def __init__(self, canvas: Canvas, scenario: Scenario) -> None:
        self.users: list[Drawn] = []
        self._canvas = canvas
        self._scenario = scenario
        self._number = 0

    def paint(self, actor: Actor, beam: float) -> None:
        """Paint a road user; `beam` is the gain of lamps on it."""
        if isinstance(actor.body, Vehicle):
            self._paint_vehicle(actor, actor.body, beam)
            return
        if actor.mount:
            motor = actor.mount == 'motor'
            colour = actor.body.top[[2, 0, 1]]
            self._paint_limbs(
                actor, motorcycle(colour) if motor else bicycle(colour), actor.mount, beam
            )
            self._paint_limbs(actor, riding(actor.body, actor.cycle, motor=motor), 'rider', beam)
            return
        limbs = walking(actor.body, actor.cycle, standing=actor.standing)
        self._paint_limbs(actor, limbs, 'person', beam)

    def _paint_vehicle(self, actor: Actor, vehicle: Vehicle, beam: float) -> None:
        lit = self._scenario.lamps_on and not actor.parked
        albedo = vehicle.albedo(lamps=lit, brakes=actor.brakes and not actor.parked)
        self._number += 1
        extent = paint_solid(
            self._canvas, vehicle.solid, actor.place, actor.yaw, albedo, self._number, beam=beam
        )
        if lit and extent is not None:
            self._add_lamps(actor, vehicle)
        self._note(actor, CATEGORY[vehicle.kind], extent, _LAMP_REACH if lit else 1.0)

    def _paint_limbs(self, actor: Actor, limbs: list, category: str, beam: float) -> None:
        self._number += 1
        extent = paint_limbs(self._canvas, limbs, actor.place, actor.yaw, self._number, beam=beam)
        self._note(actor, category, extent, 1.0)

    def _note(self, actor: Actor, category: str, extent: Extent | None, haze: float) -> None:
        distance = float(np.linalg.norm(actor.place - self._canvas.camera.position))
        if extent is None or self._canvas.light.clear(distance * haze) < _LEAST_CLEAR:
            return
        user = drawn(self._canvas.owner, self._number, category, extent)
        if user:
            self.users.append(user)

    def _add_lamps(self, actor: Actor, vehicle: Vehicle) -> None:
        """Let the lamps that face the camera glow."""
        cos, sin = np.cos(actor.yaw), np.sin(actor.yaw)
        turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
        gain = _LAMP_GAINS[self._scenario.light]
        head, tail = vehicle.lamps()
        if (self._canvas.camera.position - actor.place) @ turn[0] > 0:
            lamps, radius, colour = head, 0.45, np.array([225, 240, 255.0])
        else:
            colour = np.array([40, 30, 255.0]) if actor.brakes else np.array([25, 20, 190.0])
            lamps, radius = tail, 0.22
        for lamp in lamps @ turn + actor.place:
            self._canvas.lamp(lamp, radius * gain, colour * gain, self._number)
