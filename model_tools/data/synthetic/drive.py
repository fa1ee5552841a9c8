# SPDX-License-Identifier: Apache-2.0
"""A drive: frames with pictures and exact labels for any moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from .actors import ActorPainter
from .camera import Camera
from .ground import Ground, see_ground
from .labels import Box, Drawn, visible_boxes
from .light import make_light
from .painter import GROUND, SCENERY, Canvas, fixed
from .props import Prop, paint_prop
from .road import LENGTH_M, Road
from .scenario import Scenario
from .scenery import Scenery
from .sensor import Sensor
from .shadows import (
    SHADOW_PROPS,
    Outline,
    actor_shadow,
    contact_shadows,
    draw_shadows,
    prop_shadow,
)
from .sky import Sky
from .surface import LAMP_SPACING_M, Surface
from .traffic import Actor, Traffic

SIDE_PX = (64, 4096)  # shortest and longest side of a picture
_CONTACT = 0.8  # darkness right under a body
_BULK_M = 16.0  # nothing reaches farther than this from its place
_SHADOW_REACH_M = 120.0


@dataclass(frozen=True)
class Frame:
    """
    A picture with its labels.

    `image` is (H, W, 3) uint8 BGR; `drivable` and `lane` are (H, W) uint8, 0 or 255: the paved
    carriageway that no object covers, and the painted lane lines on it.
    """

    t: float
    image: np.ndarray
    boxes: list[Box]
    drivable: np.ndarray
    lane: np.ndarray
    camera: Camera


class Drive:
    """
    A camera car on a long road; every moment can be rendered alone.

    The same seed, size, scenario and time give the same bytes.
    """

    def __init__(
        self,
        seed: int,
        *,
        size_wh: tuple[int, int] = (640, 360),
        scenario: Scenario | None = None,
    ) -> None:
        if min(size_wh) < SIDE_PX[0] or max(size_wh) > SIDE_PX[1]:
            raise ValueError(
                f'a picture has {SIDE_PX[0]} to {SIDE_PX[1]} pixels a side, found '
                f'{size_wh[0]}x{size_wh[1]}'
            )
        rng = np.random.default_rng(seed)
        self.size_wh = size_wh
        self.scenario = scenario or Scenario.draw(rng)
        self.road = Road(rng, self.scenario.place)
        self.light = make_light(rng, self.scenario)
        self.traffic = Traffic(rng, self.road, self.scenario)
        self.start_s = float(rng.uniform(50, 3000))
        self._focal = float(rng.uniform(0.72, 1.15)) * size_wh[0]
        self._height = float(rng.uniform(1.2, 1.75))
        self._pitch = float(rng.uniform(-0.02, 0.085))
        self._yaw = float(rng.normal(0, 0.012))
        self._roll = float(rng.normal(0, 0.006))
        self._bonnet = float(rng.uniform(0.04, 0.14)) if rng.random() < 0.4 else 0.0
        self._surface = Surface(rng, self.road, wet=self.scenario.weather == 'rain')
        self._scenery = Scenery(rng, self.road, self.scenario)
        self._sky = Sky(rng, self.light, self._focal, self.scenario.place)
        self._sensor = Sensor(rng, self.scenario, size_wh)
        self._prop_shadows: dict[tuple[str, float, float], list[Outline]] = {}

    @property
    def seconds(self) -> float:
        """Return how long the road lasts."""
        return (LENGTH_M - 700 - self.start_s) / self.traffic.speed

    def render(self, t: float) -> Frame:
        """Render the frame at `t` seconds from the start."""
        if not 0 <= t <= self.seconds:
            raise ValueError(f'this drive lasts from 0 to {self.seconds:.0f} s, found t = {t:g}')
        s = self.start_s + self.traffic.speed * t
        camera = self._camera(t, s)
        width, height = self.size_wh
        canvas = Canvas(
            camera,
            self.light,
            image=np.empty((height, width, 3), np.uint8),
            owner=np.full((height, width), GROUND, np.int16),
        )
        ground = see_ground(self.road, camera, s)
        actors = self.traffic.actors(t, s, self.start_s)
        self._sky.paint(camera, canvas.image[: ground.top + _rows_with_sky(ground)])
        drivable, lane = self._paint_ground(canvas, ground, actors, s)
        users = self._paint_objects(canvas, actors, s)
        if self.scenario.weather == 'rain':
            _reflect(canvas, ground)
        if self._bonnet:
            _paint_bonnet(canvas, self._bonnet)
        free = canvas.owner == GROUND
        image = self._sensor.expose(canvas, moment=round(t * 1000))
        return Frame(
            t=t,
            image=image,
            boxes=visible_boxes(canvas.owner, users),
            drivable=np.where(drivable & free, np.uint8(255), np.uint8(0)),
            lane=np.where(lane & free, np.uint8(255), np.uint8(0)),
            camera=camera,
        )

    def frames(self, *, fps: float) -> Iterator[Frame]:
        """Yield frames at a steady pace until the road ends."""
        for index in range(int(self.seconds * fps) + 1):
            yield self.render(index / fps)

    def _camera(self, t: float, s: float) -> Camera:
        """Return the camera of a driver who keeps the lane roughly, on a sprung car."""
        d = self.traffic.ego_lane.d + 0.22 * np.sin(0.4 * t) + 0.1 * np.sin(1.1 * t + 1)
        place, heading = self.road.pose(s, d)
        ahead, _ = self.road.pose(s + 4.0, d)
        slope = (ahead[2] - place[2]) / 4.0
        return Camera.looking(
            size_wh=self.size_wh,
            focal=self._focal,
            position=place + (0, 0, self._height),
            yaw=heading + self._yaw + 0.006 * np.sin(0.5 * t),
            pitch=self._pitch - slope + 0.004 * np.sin(3.1 * t) + 0.002 * np.sin(7.7 * t),
            roll=self._roll + 0.003 * np.sin(2.3 * t),
        )

    def _paint_ground(
        self, canvas: Canvas, ground: Ground, actors: list[Actor], s: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Paint the ground and return its full-size drivable and lane planes (bool)."""
        light = self.light
        paint = self._surface.paint(
            ground,
            s_camera=s,
            d_camera=self.traffic.ego_lane.d,
            focal=self._focal,
            height=self._height,
        )
        gain = self._ground_gain(canvas, ground, actors, s)
        clear = cv2.exp(ground.ahead * np.float32(-light.haze_per_m))
        lit = cv2.min(cv2.multiply(paint.colour, gain), (255.0,) * 4)
        air = np.empty_like(lit)
        air[:] = light.air
        hazed = cv2.blendLinear(lit, air, clear, 1 - clear)
        view = canvas.image[ground.top :]
        cv2.copyTo(hazed.astype(np.uint8), ground.visible.astype(np.uint8), view)
        drivable = np.zeros(canvas.owner.shape, bool)
        lane = np.zeros_like(drivable)
        drivable[ground.top :] = paint.paved
        lane[ground.top :] = paint.lane & (clear > 0.2)
        return drivable, lane

    def _ground_gain(
        self, canvas: Canvas, ground: Ground, actors: list[Actor], s: float
    ) -> np.ndarray:
        """Return the light on the ground (rows, width, 3) float32: sky, sun, lamps, shadows."""
        light, camera, scale = self.light, canvas.camera, self.size_wh[0] / 640
        soft = draw_shadows(camera, contact_shadows(actors), top=ground.top, soft_px=2.0 * scale)
        gain = cv2.merge([1 - np.float32(_CONTACT) * soft] * 3)
        if light.shadow_strength > 0.05:
            outlines = self._sun_shadows(actors, s)
            hard = draw_shadows(camera, outlines, top=ground.top, soft_px=scale)
            gain *= 1 - np.float32(light.shadow_strength) * hard[..., None]
        gain *= light.shade(np.array([[0.0, 0.0, 1.0]]))[0].astype(np.float32)
        if light.headlights or light.street_lamps:
            lamps = light.beam(ground.ahead, ground.d - np.float32(self.traffic.ego_lane.d))
            lamps += light.street_lamps * _lamp_pools(
                ground.ahead + np.float32(s % LAMP_SPACING_M)
            )
            gain += ((1 - soft) * lamps)[..., None] * np.array([0.82, 0.97, 1.06], np.float32)
        return gain

    def _sun_shadows(self, actors: list[Actor], s: float) -> list[Outline]:
        to_sun = self.light.to_sun
        near = s + _SHADOW_REACH_M
        outlines = [actor_shadow(actor, to_sun) for actor in actors if actor.s < near]
        for prop in self._scenery.props(s):
            if prop.kind in SHADOW_PROPS and prop.s < near:
                key = (prop.kind, prop.s, prop.d)
                if key not in self._prop_shadows:
                    self._prop_shadows[key] = prop_shadow(prop, to_sun)
                outlines += self._prop_shadows[key]
        return outlines

    def _paint_objects(self, canvas: Canvas, actors: list[Actor], s: float) -> list[Drawn]:
        """Paint everything that stands on the ground, the farthest first."""
        painter = ActorPainter(canvas, self.scenario)
        for thing in _in_view(canvas.camera, [*self._scenery.props(s), *actors]):
            ahead = max(thing.s - s, 1.0)
            aside = thing.d - self.traffic.ego_lane.d
            beam = 0.35 * self.light.street_lamps + 0.7 * float(self.light.beam(ahead, aside))
            if isinstance(thing, Actor):
                painter.paint(thing, beam)
            else:
                paint_prop(canvas, self.road.layout, thing, ahead, beam)
        return painter.users


def _in_view(camera: Camera, things: list[Actor | Prop]) -> list[Actor | Prop]:
    """Drop what is certainly out of view, and sort the rest from far to near."""
    if not things:
        return []
    places = camera.to_camera(np.stack([thing.place for thing in things]))
    slope = camera.size_wh[0] / 2 / camera.focal
    reach = slope * np.maximum(places[:, 2], 0) + 2 * _BULK_M
    seen = (places[:, 2] > -_BULK_M) & (np.abs(places[:, 0]) < reach)
    kept = [thing for thing, inside in zip(things, seen.tolist(), strict=True) if inside]
    return sorted(kept, key=lambda thing: -thing.s)


def _rows_with_sky(ground: Ground) -> int:
    """Return how many of the ground's rows show some sky, counted from its top."""
    partly = np.flatnonzero(~ground.visible.all(axis=1))
    return int(partly[-1]) + 1 if len(partly) else 0


def _lamp_pools(along: np.ndarray) -> np.ndarray:
    """Return the light, about 0.25 to 1, under street lamps `LAMP_SPACING_M` apart."""
    turn = np.float32(2 * np.pi / LAMP_SPACING_M)
    return np.float32(0.62) - np.float32(0.38) * np.cos(along * turn)


def _reflect(canvas: Canvas, ground: Ground) -> None:
    """Mirror what stands on a wet road in the road."""
    height, width = canvas.owner.shape
    rows = height - ground.top
    mirror = canvas.image[max(ground.top - rows, 0) : ground.top][::-1]
    if mirror.shape[0] < rows:
        mirror = cv2.resize(mirror, (width, rows))
    mirror = cv2.blur(mirror, (5, 31 * width // 640))
    share = (canvas.owner[ground.top :] == GROUND).astype(np.float32) * np.float32(0.3)
    view = canvas.image[ground.top :]
    view[:] = cv2.blendLinear(mirror, np.ascontiguousarray(view), share, 1 - share)


def _paint_bonnet(canvas: Canvas, share: float) -> None:
    """Paint the bonnet of the ego vehicle over the lower `share` of the picture."""
    height, width = canvas.owner.shape
    x = np.linspace(-0.02, 1.02, 25)
    rise = share * height * (1 - 1.9 * np.abs(x - 0.48) ** 2.2)
    top = np.stack([x * width, height - rise], -1)
    outline = np.concatenate([top, [(width * 1.02, height + 4), (-0.02 * width, height + 4)]])
    sky = canvas.light.zenith * 0.3 + canvas.light.air * 0.15
    for step, tone in ((0.0, 0.75), (0.25, 0.45), (0.55, 0.28)):
        shape = fixed(outline + (0, step * share * height))
        canvas.fill(shape, (sky * tone).tolist(), SCENERY)
