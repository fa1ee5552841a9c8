# SPDX-License-Identifier: Apache-2.0
"""Shadows on the ground: those of the sun, and the soft dark under every body."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from .camera import Camera, clip_near
from .painter import SHIFT, fixed
from .props import Prop
from .traffic import Actor
from .vehicles import Vehicle

Outline = tuple[np.ndarray, float]  # world points (k, 3) on the ground, darkness 0..1

SHADOW_PROPS = ('tree', 'lamp', 'sign', 'house', 'house_tall')
_TURN = np.linspace(0, 2 * np.pi, 9, endpoint=False)
_RING = np.stack([np.cos(_TURN), np.sin(_TURN), np.sin(_TURN * 2) * 0.4], -1)


def draw_shadows(
    camera: Camera, outlines: Iterable[Outline], *, top: int, soft_px: float
) -> np.ndarray:
    """Draw outlines into the image rows from `top` on; float32, 0 (light) to 1 (dark)."""
    width, height = camera.size_wh
    plane = np.zeros((height - top, width), np.uint8)
    outlines = list(outlines)
    points = camera.to_camera(
        np.concatenate([np.zeros((0, 3)), *(world for world, _ in outlines)])
    )
    ends = np.cumsum([len(world) for world, _ in outlines])
    for (world, darkness), end in zip(outlines, ends.tolist(), strict=True):
        shape = clip_near(points[end - len(world) : end])
        if len(shape) < 3:
            continue
        hull = cv2.convexHull(fixed(camera.to_pixels(shape) - (0, top)))
        cv2.fillConvexPoly(plane, hull, darkness * 255, cv2.LINE_AA, SHIFT)
    size = 2 * round(soft_px) + 1
    plane = cv2.blur(cv2.blur(plane, (size, size)), (size, size))
    return plane.astype(np.float32) * np.float32(1 / 255)


def contact_shadows(actors: Sequence[Actor]) -> list[Outline]:
    """Return the soft dark under road users."""
    outlines = []
    for actor in actors:
        half_length, half_width, _ = _half_size(actor)
        darkness = 0.95 if isinstance(actor.body, Vehicle) else 0.6
        outlines.append((_footprint(actor, half_length, half_width), darkness))
    return outlines


def actor_shadow(actor: Actor, to_sun: np.ndarray) -> Outline:
    """Return the shadow that the sun throws of a road user."""
    half_length, half_width, height = _half_size(actor)
    low = _footprint(actor, half_length, half_width)
    tall = low + (0, 0, height)
    return np.concatenate([low, _cast(tall, to_sun, low[0, 2])]), 1.0


def prop_shadow(prop: Prop, to_sun: np.ndarray) -> list[Outline]:
    """Return the shadows that the sun throws of a thing beside the road."""
    foot, size = prop.place, prop.size
    if prop.kind in ('house', 'house_tall'):
        height, deep = 14.0 if prop.kind == 'house_tall' else 6.0, 9 * np.sign(prop.d)
        plan = np.array([(-size, 0, 0), (0, 0, 0), (0, deep, 0), (-size, deep, 0)])
        base = foot + plan @ prop.axes
        base[:, 2] = foot[2]
        return [(np.concatenate([base, _cast(base + (0, 0, height), to_sun, foot[2])]), 1.0)]
    if prop.kind == 'tree':
        crowns = []
        for i in range(7):
            at = np.array([np.cos(2.4 * i), np.sin(2.4 * i), 0]) * size * 0.2 * (i > 0)
            centre = foot + at + (0, 0, size * (0.5 + 0.06 * i))
            blob = centre + _RING * size * (0.1 + 0.02 * (i % 3))
            crowns.append((_cast(blob, to_sun, foot[2]), 0.9))
        return crowns
    post = foot + np.array([(0, -0.06, 0), (0, 0.06, 0), (0, 0, size)])
    return [(_cast(post, to_sun, foot[2]), 0.8)]


def _cast(corners: np.ndarray, to_sun: np.ndarray, ground_z: float) -> np.ndarray:
    """Return where the sun throws world points (n, 3) on level ground."""
    rise = np.maximum(to_sun[2], 0.12)
    fall = (corners[:, 2:] - ground_z) / rise
    shadow = corners - fall * to_sun
    shadow[:, 2] = ground_z
    return shadow


def _footprint(actor: Actor, half_length: float, half_width: float) -> np.ndarray:
    """Return the four world points on the ground around a road user."""
    ahead = np.array([np.cos(actor.yaw), np.sin(actor.yaw), 0]) * half_length
    aside = np.array([-np.sin(actor.yaw), np.cos(actor.yaw), 0]) * half_width
    corners = np.stack([ahead + aside, ahead - aside, -ahead - aside, aside - ahead])
    return actor.place + corners


def _half_size(actor: Actor) -> tuple[float, float, float]:
    """Return half the length, half the width and the height of a road user in metres."""
    if isinstance(actor.body, Vehicle):
        return actor.body.half_size
    return (0.8, 0.22, 1.6) if actor.mount else (0.22, 0.22, 1.6)
