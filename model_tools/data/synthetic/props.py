# SPDX-License-Identifier: Apache-2.0
"""The look of what stands beside the road."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from .camera import clip_near
from .layout import Layout
from .painter import SCENERY, Canvas, fixed
from .sprites import HOUSE_KINDS, bush, house, tree


@dataclass(frozen=True)
class Prop:
    """A thing beside the road; `s` is its far end, `d` the side that faces the road."""

    kind: str
    s: float
    d: float
    size: float
    variant: int = 0
    attached: bool = False  # a house whose near end its neighbour hides
    place: np.ndarray = field(default_factory=lambda: np.zeros(3))
    axes: np.ndarray = field(default_factory=lambda: np.eye(3))  # rows: ahead, left, up


def paint_prop(
    canvas: Canvas, layout: Layout, prop: Prop, distance: float, lamp_gain: float
) -> None:
    """Paint a prop `distance` metres away; `lamp_gain` is the light of headlights on it."""
    gain = canvas.light.upright + lamp_gain * np.array([0.8, 0.95, 1.0])
    _PAINTERS[prop.kind](Brush(canvas, layout, prop, gain, max(distance, 1.0)), prop)


class Brush:
    """Where and in which light one prop is painted."""

    def __init__(
        self, canvas: Canvas, layout: Layout, prop: Prop, gain: np.ndarray, distance: float
    ) -> None:
        self.canvas, self.layout, self.prop = canvas, layout, prop
        self.gain, self.distance = gain, distance
        clear = canvas.light.clear(distance)
        self._tone, self._veil = gain * clear, canvas.light.air * (1 - clear)

    def at(self, *places: tuple[float, float, float]) -> np.ndarray:
        """Return world points (n, 3) of road coordinates (s, d, z) near the prop."""
        return (
            np.array(places) - (self.prop.s, self.prop.d, 0.0)
        ) @ self.prop.axes + self.prop.place

    def colour(self, albedo: tuple[float, float, float] | np.ndarray) -> np.ndarray:
        """Return how a surface colour looks from the camera."""
        return np.minimum(albedo * self._tone + self._veil, 255.0)

    def fill(self, world: np.ndarray, colour: np.ndarray) -> None:
        """Fill a world polygon (k, 3)."""
        outline = self.canvas.project(world)
        if outline is not None:
            self.canvas.fill(fixed(outline), colour.tolist(), SCENERY)

    def bands(
        self, s0: float, s1: float, profile: Sequence[tuple[float, float]], tones: Sequence[float]
    ) -> None:
        """Fill the grey strips between the corners (d, z) of a profile drawn from s0 to s1."""
        near = self.at(*((s0, d, z) for d, z in profile))
        far = self.at(*((s1, d, z) for d, z in profile))
        points = self.canvas.camera.to_camera(np.stack([near, far]))
        for i, tone in enumerate(tones):
            outline = clip_near(
                np.stack([points[0, i], points[1, i], points[1, i + 1], points[0, i + 1]])
            )
            if len(outline) >= 3:
                shape = fixed(self.canvas.camera.to_pixels(outline))
                self.canvas.fill(
                    shape, self.colour(np.array([tone, tone + 3, tone + 4])).tolist(), SCENERY
                )

    def bar(self, a: np.ndarray, b: np.ndarray, thick_m: float, colour: np.ndarray) -> None:
        """Draw a bar between world points (3,), at least as thick as half a pixel."""
        points = self.canvas.camera.to_camera(np.stack([a, b]))
        if points[:, 2].min() < 0.5:
            return
        (x0, y0), (x1, y1) = self.canvas.camera.to_pixels(points).tolist()
        half_m = thick_m * self.canvas.camera.focal / 2
        r0, r1 = (max(half_m / depth, 0.3) for depth in points[:, 2].tolist())
        long = max(float(np.hypot(x1 - x0, y1 - y0)), 1e-6)
        u, v = (y0 - y1) / long, (x1 - x0) / long
        outline = np.array(
            [
                (x0 + u * r0, y0 + v * r0),
                (x1 + u * r1, y1 + v * r1),
                (x1 - u * r1, y1 - v * r1),
                (x0 - u * r0, y0 - v * r0),
            ]
        )
        self.canvas.fill(fixed(outline), colour.tolist(), SCENERY)

    def card(self, world: np.ndarray, outline: np.ndarray, colour: np.ndarray) -> None:
        """Fill an outline (k, 2) in metres (right, up) that faces the camera at a world point."""
        point = self.canvas.camera.to_camera(world)
        if point[2] < 1.0:
            return
        scale = self.canvas.camera.focal / point[2]
        shape = self.canvas.camera.to_pixels(point) + outline * (scale, -scale)
        self.canvas.fill(fixed(shape), colour.tolist(), SCENERY)


def _paint_tree(brush: Brush, prop: Prop) -> None:
    _paint_sprite(brush, prop, tree(prop.variant), prop.size * 0.375)


def _paint_bush(brush: Brush, prop: Prop) -> None:
    _paint_sprite(brush, prop, bush(), prop.size)


def _paint_sprite(brush: Brush, prop: Prop, sprite: np.ndarray, half_width: float) -> None:
    foot = brush.canvas.camera.to_camera(brush.at((prop.s, prop.d, 0.0))[0])
    if foot[2] < 3.0:
        return
    x, y = brush.canvas.camera.to_pixels(foot)
    scale = brush.canvas.camera.focal / foot[2]
    box = (x - half_width * scale, y - prop.size * scale, x + half_width * scale, y)
    brush.canvas.sprite(sprite, box, brush.gain, brush.distance, SCENERY)


def _paint_house(brush: Brush, prop: Prop, *, tall: bool) -> None:
    model = house(prop.variant, tall=tall)
    (width, height), depth = model.size_m, 12.0 if tall else 8.0
    side = 1 if prop.d > 0 else -1
    near, far, back = prop.s - width, prop.s, prop.d + side * depth
    corners = brush.at((near, prop.d, -0.3), (far, prop.d, -0.3), (near, back, -0.3))
    up = np.array([0, 0, height + 0.3])
    canvas, light = brush.canvas, brush.canvas.light
    gains = light.shade(np.stack([-side * prop.axes[1], -prop.axes[0]]))
    if not tall:
        _paint_roof(brush, prop, near, far, back, height)
    texture = model.surface
    if light.is_night:
        texture = _night_front(prop.variant, tall=tall)
        gains = np.ones((2, 3))
    if not prop.attached or height < 9.0:
        left, right = (corners[2], corners[0]) if side == 1 else (corners[0], corners[2])
        canvas.texture(texture, left, right - left, up, gain=gains[1], distance=brush.distance)
    left, right = (corners[0], corners[1]) if side == 1 else (corners[1], corners[0])
    canvas.texture(texture, left, right - left, up, gain=gains[0], distance=brush.distance)


def _paint_roof(
    brush: Brush, prop: Prop, near: float, far: float, back: float, height: float
) -> None:
    tiles = np.array(
        [(60, 66, 110), (70, 74, 80), (52, 56, 64), (76, 92, 140)][prop.variant % 4], float
    )
    middle, ridge = (prop.d + back) / 2, height + 3.0
    gable = brush.at((near, prop.d, height), (near, middle, ridge), (near, back, height))
    slope = brush.at(
        (near - 0.4, prop.d - np.sign(prop.d) * 0.4, height - 0.2),
        (far + 0.4, prop.d - np.sign(prop.d) * 0.4, height - 0.2),
        (far + 0.4, middle, ridge),
        (near - 0.4, middle, ridge),
    )
    brush.fill(gable, brush.colour(tiles * 0.8 + 60))
    brush.fill(slope, brush.colour(tiles))


@lru_cache(maxsize=4 * HOUSE_KINDS)
def _night_front(variant: int, *, tall: bool) -> np.ndarray:
    """Return the front of a house whose windows are bright against a dim wall."""
    model = house(variant, tall=tall)
    return np.maximum((model.surface * 0.11).astype(np.uint8), model.glow)


def _paint_lamp(brush: Brush, prop: Prop) -> None:
    side = prop.variant
    foot, head, tip = brush.at(
        (prop.s, prop.d, 0),
        (prop.s, prop.d, prop.size),
        (prop.s, prop.d - 1.6 * side, prop.size + 0.3),
    )
    grey = brush.colour((108, 110, 110))
    brush.bar(foot, head, 0.14, grey)
    brush.bar(head, tip, 0.09, grey)
    brush.bar(tip, tip + (head - tip) * 0.35, 0.18, grey * 0.8)
    light = brush.canvas.light
    if light.headlights:
        brush.canvas.lamp(tip - (0, 0, 0.1), 0.9, np.array([120, 200, 255.0]) * 0.8, SCENERY)


def _paint_sign(brush: Brush, prop: Prop) -> None:
    foot, head = brush.at((prop.s, prop.d, 0), (prop.s, prop.d, prop.size))
    brush.bar(foot, head, 0.07, brush.colour((140, 142, 142)))
    turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], -1)
    triangle = np.array([(-0.9, -0.6), (0.9, -0.6), (0, 0.95)])
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * 0.8
    octagon = np.stack([np.cos(turn[::2] + np.pi / 8), np.sin(turn[::2] + np.pi / 8)], -1)
    red, white, blue = (36, 30, 190), (228, 230, 230), (160, 90, 20)
    shape, rim, inner = [
        (circle, red, white), (triangle, red, white), (square, white, blue), (octagon, white, red),
        (square, (40, 40, 40), (40, 190, 230)),
    ][prop.variant]  # fmt: skip
    brush.card(head, shape * 0.38, brush.colour(rim))
    brush.card(head, shape * (0.36 if prop.variant > 1 else 0.28), brush.colour(inner))
    mark = np.array([(-0.5, -0.09), (0.5, -0.09), (0.5, 0.09), (-0.5, 0.09)]) * 0.4
    dark = white if prop.variant in (2, 3) else (30, 30, 30)
    brush.card(head, mark if prop.variant != 1 else mark[:, ::-1] * 0.6, brush.colour(dark))


def _paint_signal(brush: Brush, prop: Prop) -> None:
    foot, head = brush.at((prop.s, prop.d, 0), (prop.s, prop.d, prop.size))
    brush.bar(foot, head, 0.12, brush.colour((70, 72, 72)))
    box = np.array([(-0.18, -0.5), (0.18, -0.5), (0.18, 0.5), (-0.18, 0.5)])
    brush.card(head, box, brush.colour((26, 26, 26)))
    turn = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    bulb = np.stack([np.cos(turn), np.sin(turn)], -1) * 0.12
    hues = np.array([(50, 40, 250), (60, 200, 255), (150, 240, 60)], float)
    for i, hue in enumerate(hues):
        on = i == prop.variant
        brush.card(head + (0, 0, 0.32 * (1 - i)), bulb, hue if on else brush.colour(hue * 0.18))
    if brush.canvas.light.headlights > 0.1:
        place = head + (0, 0, 0.32 * (1 - prop.variant))
        brush.canvas.lamp(place, 0.35, hues[prop.variant] * 0.6, SCENERY)


def _paint_rail(brush: Brush, prop: Prop) -> None:
    s0, s1 = prop.s - prop.size, prop.s
    post = brush.at((s0, prop.d, 0.0), (s0, prop.d, 0.7))
    brush.bar(post[0], post[1], 0.1, brush.colour((95, 98, 98)))
    d = prop.d
    if brush.distance > 70:
        brush.bands(s0, s1, [(d, 0.45), (d, 0.76)], [150.0])
    else:
        brush.bands(s0, s1, [(d, 0.45), (d, 0.55), (d, 0.63), (d, 0.76)], [118.0, 178.0, 150.0])


def _paint_barrier(brush: Brush, prop: Prop) -> None:
    s0, s1 = prop.s - prop.size, prop.s
    shade = 1.0 + 0.05 * np.sin(prop.s * 12.9)
    side = -np.sign(prop.d) if abs(prop.d) > 0.2 else _camera_side(brush, prop)
    profile = [(0.3, 0.0), (0.18, 0.3), (0.1, 0.82), (-0.1, 0.82)]
    corners = [(prop.d + side * d, z) for d, z in profile]
    brush.bands(s0, s1, corners, [tone * shade for tone in (126.0, 148.0, 178.0)])


def _camera_side(brush: Brush, prop: Prop) -> float:
    return float(np.sign((brush.canvas.camera.position - prop.place) @ prop.axes[1]))


def _paint_post(brush: Brush, prop: Prop) -> None:
    foot, mark, top = brush.at((prop.s, prop.d, 0), (prop.s, prop.d, 0.75), (prop.s, prop.d, 1.0))
    brush.bar(foot, top, 0.12, brush.colour((222, 224, 224)))
    brush.bar(mark, mark + (0, 0, 0.14), 0.12, brush.colour((40, 40, 40)))


def _paint_bollard(brush: Brush, prop: Prop) -> None:
    foot, top = brush.at((prop.s, prop.d, 0), (prop.s, prop.d, prop.size))
    brush.bar(foot, top, 0.14, brush.colour((52, 52, 54)))
    brush.bar(top - (0, 0, 0.2), top - (0, 0, 0.1), 0.14, brush.colour((200, 200, 205)))


def _paint_gantry(brush: Brush, prop: Prop) -> None:
    low, high = brush.layout.edges
    edge = low - 0.8 if _camera_side(brush, prop) < 0 else high + 0.8
    foot, knee, end = brush.at(
        (prop.s, edge, 0), (prop.s, edge, prop.size), (prop.s, 0, prop.size)
    )
    grey = brush.colour((120, 122, 122))
    brush.bar(foot, knee, 0.35, grey)
    brush.bar(end, end - (0, 0, prop.size), 0.35, grey)
    brush.bar(knee, end, 0.3, grey)
    green = (86, 110, 30) if prop.variant % 2 else (150, 84, 24)
    for share in (0.25, 0.62):
        centre = (knee + (end - knee) * share) + (0, 0, 0.3)
        board = np.array([(-1.7, -1.1), (1.7, -1.1), (1.7, 1.1), (-1.7, 1.1)])
        brush.card(centre, board * 1.04, brush.colour((225, 228, 228)))
        brush.card(centre, board, brush.colour(green))
        for line, width in ((0.5, 1.2), (-0.05, 0.8), (-0.6, 1.1)):
            for letter in np.arange(-width, width, 0.27):
                glyph = np.array([(0, -0.16), (0.17, -0.16), (0.17, 0.16), (0, 0.16)]) + (
                    letter,
                    line,
                )
                brush.card(centre, glyph, brush.colour((222, 225, 225)))


_PAINTERS: dict[str, Callable[[Brush, Prop], None]] = {
    'tree': _paint_tree,
    'bush': _paint_bush,
    'house': lambda brush, prop: _paint_house(brush, prop, tall=False),
    'house_tall': lambda brush, prop: _paint_house(brush, prop, tall=True),
    'lamp': _paint_lamp,
    'sign': _paint_sign,
    'signal': _paint_signal,
    'rail': _paint_rail,
    'barrier': _paint_barrier,
    'post': _paint_post,
    'bollard': _paint_bollard,
    'gantry': _paint_gantry,
}
