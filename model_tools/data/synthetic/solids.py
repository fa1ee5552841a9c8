# SPDX-License-Identifier: Apache-2.0
"""Solid bodies made of flat faces, and how they are painted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from .camera import NEAR_M, clip_near
from .painter import Canvas, Extent, fixed

FRONT, LEFT, REAR, RIGHT = 0, 2, 4, 6


@dataclass(frozen=True)
class Face:
    """A flat outline (k, 3), counter-clockwise from outside, of one material."""

    corners: np.ndarray
    normal: np.ndarray
    material: str
    finest_px: float  # painted only where a metre covers at least this many pixels


@dataclass(frozen=True)
class Part:
    """A convex body with its details; parts of a lower layer are painted first."""

    layer: int
    faces: tuple[Face, ...]


class Solid:
    """Parts in one array of corners, so that a whole body is projected at once."""

    def __init__(self, parts: Sequence[Part]) -> None:
        faces = [face for part in parts for face in part.faces]
        self.corners = np.concatenate([face.corners for face in faces])
        self.extent: tuple[float, ...] = tuple(np.ptp(self.corners, axis=0).tolist())
        self.normals = np.stack([face.normal for face in faces])
        self.materials = [face.material for face in faces]
        self.mirror = np.array([[_MIRROR.get(name, 0.0)] for name in self.materials])
        self.finest_px = np.array([face.finest_px for face in faces])
        ends = np.cumsum([len(face.corners) for face in faces])
        self.slices = [slice(e - len(f.corners), e) for f, e in zip(faces, ends, strict=True)]
        first = self.corners[[span.start for span in self.slices]]
        self.offsets = (first * self.normals).sum(1)
        part_ends = np.cumsum([len(part.faces) for part in parts])
        self.parts = [range(e - len(p.faces), e) for p, e in zip(parts, part_ends, strict=True)]
        self.layers = [part.layer for part in parts]
        self.centres = np.stack(
            [np.concatenate([f.corners for f in part.faces]).mean(0) for part in parts]
        )


def face(corners: np.ndarray, material: str, finest_px: float = 0.0) -> Face:
    """Build a face; its normal follows from its outline."""
    corners = np.asarray(corners, float)
    ahead = np.roll(corners, -1, 0)
    normal = np.cross(corners, ahead).sum(0)
    return Face(corners, normal / max(float(np.linalg.norm(normal)), 1e-9), material, finest_px)


def plan(
    x: tuple[float, float], half_width: float, z: tuple[float, float], chamfer: float = 0.1
) -> np.ndarray:
    """Return the eight-cornered outline (8, 3) of a body at one level, rear to front."""
    (x0, x1), w, c = x, half_width, chamfer
    xs = np.array([x1, x1, x1 - 2 * c, x0 + 2 * c, x0, x0, x0 + 2 * c, x1 - 2 * c])
    ys = np.array([c - w, w - c, w, w, w - c, c - w, -w, -w])
    share = (xs - x0) / (x1 - x0)
    return np.stack([xs, ys, z[0] + (z[1] - z[0]) * share], -1)


def loft(levels: Sequence[np.ndarray], material: str, top: str | None = None) -> list[Face]:
    """Join outlines from bottom to top by faces, and close the top."""
    faces = []
    for low, high in pairwise(levels):
        for i in range(len(low)):
            j = (i + 1) % len(low)
            faces.append(face(np.stack([low[i], low[j], high[j], high[i]]), material))
    if top:
        faces.append(face(levels[-1], top))
    return faces


def decal(
    low: np.ndarray,
    high: np.ndarray,
    side: int,
    outline: Sequence[tuple[float, float]],
    material: str,
    finest_px: float = 4.0,
) -> Face:
    """Draw an outline (left to right, bottom to top, both 0..1) on one side of a loft band."""
    j = (side + 1) % len(low)
    across, along = np.array(outline, float).T[:, :, None]
    bottom = low[side] + (low[j] - low[side]) * across
    top = high[side] + (high[j] - high[side]) * across
    return face(bottom + (top - bottom) * along, material, finest_px)


def patch(x0: float, x1: float, z0: float, z1: float) -> list[tuple[float, float]]:
    """Return a rectangle for `decal`."""
    return [(x0, z0), (x1, z0), (x1, z1), (x0, z1)]


def disc(centre: np.ndarray, radius: float, side: int, material: str, finest_px: float) -> Face:
    """Build an upright disc that faces left (1) or right (-1)."""
    turn = np.linspace(0, 2 * np.pi, 14, endpoint=False) * -side
    rim = np.stack([np.cos(turn), np.zeros_like(turn), np.sin(turn)], -1) * radius
    return face(centre + rim, material, finest_px)


def paint_solid(
    canvas: Canvas,
    solid: Solid,
    place: np.ndarray,
    yaw: float,
    albedo: np.ndarray,
    owner: int,
    *,
    beam: float = 0.0,
) -> Extent | None:
    """
    Paint a solid with face colours `albedo` (n, 3) at a world point (3,), turned by `yaw`.

    `beam` is the light of the ego vehicle's headlights on it.
    Return the image area that it may cover, None if it is out of view.
    """
    cos, sin = np.cos(yaw), np.sin(yaw)
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    camera = canvas.camera
    points = solid.corners @ (turn @ camera.rotation.T) + camera.to_camera(place)
    behind = points[:, 2] < NEAR_M
    if behind.all():
        return None
    pixels = camera.to_pixels(np.where(behind[:, None], (0, 0, NEAR_M), points))
    extent = canvas.extent(pixels) if not behind.any() else canvas.whole
    if extent is None:
        return None

    eye = turn @ (camera.position - place)
    distance = float(np.linalg.norm(eye))
    px_per_m = camera.focal / max(distance, 1.0)
    facing = solid.normals @ eye > solid.offsets
    normals = solid.normals @ turn
    gains = canvas.light.shade(normals)
    if beam:
        toward = np.clip(-(normals @ camera.rotation[2]), 0.15, 1)
        gains = gains + (beam * toward)[:, None] * (0.85, 0.97, 1.0)
    lit = _shine(canvas, solid, albedo, gains, normals)
    flat = canvas.seen_through_air(lit, distance).tolist()
    facing = facing.tolist()
    shown = (solid.finest_px <= px_per_m).tolist()
    shapes = fixed(pixels)
    cut = {i for i, span in enumerate(solid.slices) if behind[span].any()} if behind.any() else ()
    depth = ((solid.centres - eye) ** 2).sum(1)
    for number in sorted(range(len(solid.parts)), key=lambda i: (solid.layers[i], -depth[i])):
        part = solid.parts[number]
        for i in part:
            if not (facing[i] and shown[i]):
                continue
            if i not in cut:
                canvas.fill(shapes[solid.slices[i]], flat[i])
                continue
            clipped = clip_near(points[solid.slices[i]])
            if len(clipped) >= 3:
                canvas.fill(fixed(camera.to_pixels(clipped)), flat[i], owner)
        if not cut and px_per_m > _WHOLE_PX:
            body = shapes[solid.slices[part.start].start : solid.slices[part.stop - 1].stop]
            canvas.claim(cv2.convexHull(body), owner)
    if not cut and px_per_m <= _WHOLE_PX:
        canvas.claim(cv2.convexHull(shapes), owner)
    return extent


def _shine(
    canvas: Canvas, solid: Solid, albedo: np.ndarray, gains: np.ndarray, normals: np.ndarray
) -> np.ndarray:
    """Light the faces; glass and lacquer also mirror the sky."""
    up = np.minimum(np.maximum(0.35 + 0.9 * normals[:, 2:], 0), 1)
    sky = canvas.light.zenith * up + canvas.light.air * (1 - up) * 0.75
    return albedo * gains + solid.mirror * (0.25 + 0.75 * up) * sky


_WHOLE_PX = 7.0  # pixels a metre below which a body is claimed as one shape
_MIRROR = {'glass': 0.2, 'screen': 0.26, 'paint': 0.07, 'roof': 0.12}
