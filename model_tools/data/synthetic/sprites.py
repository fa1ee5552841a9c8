# SPDX-License-Identifier: Apache-2.0
"""Pictures that many drives share: trees, bushes and house fronts, drawn once by rule."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .textures import fractal, noise, to_bytes

TREE_KINDS, HOUSE_KINDS = 12, 14
HOUSE_PX_PER_M = 14


@lru_cache(maxsize=TREE_KINDS)
def tree(kind: int) -> np.ndarray:
    """Return a tree (256, 192, 4) uint8 BGRA, its trunk's foot at the bottom centre."""
    rng = np.random.default_rng(200 + kind)
    image = np.zeros((256, 192, 4), np.float32)
    bark = np.array([52, 64, 76]) * rng.uniform(0.6, 1.2)
    if kind % 6 == 5:
        _grow(rng, image, np.array([96.0, 255.0]), -np.pi / 2, 58.0, 5.5, bark)
        return to_bytes(image)
    _grow(rng, image, np.array([96.0, 255.0]), -np.pi / 2, 84.0, 6.0, bark, depth=1)
    leaf = np.array([40, 82, 66]) * rng.uniform(0.65, 1.25) + rng.uniform(-8, [8, 14, 26])
    conifer = kind % 6 == 4
    _add_leaves(rng, image, leaf, conifer=conifer)
    return to_bytes(image)


def _grow(
    rng: np.random.Generator,
    image: np.ndarray,
    foot: np.ndarray,
    angle: float,
    length: float,
    width: float,
    colour: np.ndarray,
    depth: int = 7,
) -> None:
    """Draw a branch and, from its end, thinner ones."""
    end = foot + length * np.array([np.cos(angle), np.sin(angle)])
    points = tuple(int(v) for v in foot), tuple(int(v) for v in end)
    tone = (*(colour * rng.uniform(0.8, 1.15)).tolist(), 255)
    cv2.line(image, *points, tone, max(1, round(width)), cv2.LINE_AA)
    if depth == 0 or length < 5:
        return
    for _ in range(int(rng.integers(2, 4))):
        turn = angle + rng.normal(0, 0.48)
        _grow(
            rng, image, end, turn, length * rng.uniform(0.6, 0.85), width * 0.66, colour, depth - 1
        )


def _add_leaves(
    rng: np.random.Generator, image: np.ndarray, leaf: np.ndarray, *, conifer: bool
) -> None:
    """Cover the branches with clumps that are bright above and dark below."""
    rows, columns = np.mgrid[0:256, 0:192].astype(np.float32)
    crown = np.full((256, 192), -1e3, np.float32)
    light = np.zeros((256, 192), np.float32)
    for _ in range(90 if conifer else 70):
        if conifer:
            y = rng.uniform(18, 215)
            x = 96 + rng.uniform(-1, 1) * (y - 10) * 0.26
            rx, ry = 9 + (y - 10) * 0.12, 10.0
        else:
            turn, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1) ** 0.5
            x, y = 96 + 66 * reach * np.cos(turn), 96 + 70 * reach * np.sin(turn)
            rx = ry = rng.uniform(12, 27)
        blob = 1 - np.hypot((columns - x) / rx, (rows - y) / ry)
        top = blob > crown
        crown[top] = blob[top]
        shade = 0.62 + 0.5 * (y + 0.7 * ry - rows) / (2 * ry) + 0.22 * (140 - y) / 140
        light[top] = shade[top]
    grain = fractal(rng, 256, (0.8, 2.2))[:, :192]
    ragged = crown + 0.2 * noise(rng, 256, 1.6)[:, :192]
    alpha = np.clip(ragged * 5, 0, 1)
    holes = noise(rng, 256, 2.0)[:, :192] > 2.3
    alpha[holes] = 0
    tint = np.clip(light, 0.25, 1.35) * (1 + 0.24 * grain)
    colour = np.clip(leaf * tint[..., None], 0, 235)
    image[..., :3] += alpha[..., None] * (colour - image[..., :3])
    image[..., 3] = np.maximum(image[..., 3], 255 * alpha)


@lru_cache(maxsize=1)
def bush() -> np.ndarray:
    """Return a bush (96, 192, 4) uint8 BGRA."""
    rng = np.random.default_rng(300)
    rows, columns = np.mgrid[0:96, 0:192].astype(np.float32)
    mound = 1 - np.hypot((columns - 96) / 92, (rows - 96) / 84)
    alpha = np.clip((mound + 0.1 * fractal(rng, 256, (2.0, 6.0))[:96, :192]) * 9, 0, 1)
    tint = (1.15 - rows / 110) * (1 + 0.26 * fractal(rng, 256, (0.8, 2.4))[:96, :192])
    image = np.zeros((96, 192, 4), np.float32)
    image[..., :3] = np.array([40, 78, 62]) * np.clip(tint, 0.2, 1.5)[..., None]
    image[..., 3] = alpha * 255
    return to_bytes(image)


@dataclass(frozen=True)
class House:
    """A house front: its surface (h, w, 3) uint8, the lamp light behind it, size in metres."""

    surface: np.ndarray
    glow: np.ndarray
    size_m: tuple[float, float]


@lru_cache(maxsize=2 * HOUSE_KINDS)
def house(kind: int, *, tall: bool) -> House:
    """Return a house of several storeys (tall) or a small one."""
    rng = np.random.default_rng(400 + kind + 50 * tall)
    storey = float(rng.uniform(3.0, 3.8))
    storeys = int(rng.integers(3, 8)) if tall else int(rng.integers(1, 3))
    bay = float(rng.uniform(2.0, 4.0))
    bays = int(rng.integers(4, 8)) if tall else int(rng.integers(2, 4))
    width_m, height_m = bays * bay, storeys * storey + (0.8 if tall else 0.3)
    px = HOUSE_PX_PER_M
    size = (int(height_m * px), int(width_m * px))
    walls = np.array(
        [(150, 172, 186), (120, 146, 172), (196, 204, 208), (86, 108, 150), (70, 84, 128),
         (140, 142, 144), (170, 196, 206), (108, 116, 124), (186, 178, 168)], float)  # fmt: skip
    wall = walls[rng.integers(len(walls))] * rng.uniform(0.75, 1.05)
    surface = np.empty((*size, 3), np.float32)
    rough = fractal(rng, 512, (0.9, 8.0, 40.0))[: size[0], : size[1]]
    rough = cv2.resize(rough, (size[1], size[0]))
    surface[:] = wall * (1 + 0.06 * rough[..., None])
    glow = np.zeros_like(surface)
    _add_windows(
        rng, surface, glow, (storeys, bays), (storey, bay), wall, shop=tall and rng.random() < 0.6
    )
    surface[: int(0.35 * px)] = wall * 0.62
    surface[-int(0.5 * px) :] *= 0.72
    return House(to_bytes(surface), to_bytes(glow), (width_m, height_m))


def _add_windows(
    rng: np.random.Generator,
    surface: np.ndarray,
    glow: np.ndarray,
    count: tuple[int, int],
    pitch: tuple[float, float],
    wall: np.ndarray,
    *,
    shop: bool,
) -> None:
    """Draw rows of windows, some of them lit at night, and a row of shops at the bottom."""
    px, height = HOUSE_PX_PER_M, surface.shape[0]
    share_w, share_h = rng.uniform(0.35, 0.75), rng.uniform(0.45, 0.68)
    frame = np.array([225, 228, 230.0]) if rng.random() < 0.6 else wall * 0.5
    for floor in range(count[0]):
        base = height - floor * pitch[0] * px
        if floor == 0 and shop:
            _add_shops(rng, surface, glow, int(base), int(pitch[0] * px))
            continue
        for column in range(count[1]):
            w, h = pitch[1] * share_w * px, pitch[0] * share_h * px
            x0 = int((column + 0.5) * pitch[1] * px - w / 2)
            y1 = int(base - 0.28 * pitch[0] * px)
            x1, y0 = int(x0 + w), int(y1 - h)
            surface[y0 - 2 : y1 + 2, x0 - 2 : x1 + 2] = frame
            pane = np.array([88, 76, 66.0]) * rng.uniform(0.5, 1.5)
            ramp = np.linspace(1.35, 0.75, y1 - y0)[:, None, None]
            surface[y0:y1, x0:x1] = pane * ramp
            if rng.random() < 0.35:
                blind = int((y1 - y0) * rng.uniform(0.2, 0.8))
                surface[y0 : y0 + blind, x0:x1] = np.array([188, 196, 200]) * rng.uniform(0.7, 1)
            surface[y0:y1, (x0 + x1) // 2] = frame
            surface[y1 + 2 : y1 + 4, x0 - 3 : x1 + 3] = wall * 1.15
            if rng.random() < 0.22:
                glow[y0:y1, x0:x1] = np.array([110, 190, 235]) * rng.uniform(0.4, 1.0)


def _add_shops(
    rng: np.random.Generator, surface: np.ndarray, glow: np.ndarray, base: int, height: int
) -> None:
    px = HOUSE_PX_PER_M
    x, width = 0, surface.shape[1]
    signs = np.array(
        [(40, 40, 190), (170, 90, 30), (50, 150, 60), (40, 180, 230), (225, 225, 225)]
    )
    while x < width - px:
        w = int(min(rng.uniform(3.5, 7) * px, width - x))
        surface[base - int(0.72 * height) : base, x + 3 : x + w - 3] = np.array([72, 68, 62])
        inner = slice(base - int(0.68 * height), base - int(0.12 * height))
        surface[inner, x + 7 : x + w - 7] = np.array([108, 104, 98]) * rng.uniform(0.5, 1.3)
        for _ in range(4):
            gx = x + 8 + int(rng.uniform(0, max(w - 24, 1)))
            gy = base - int(rng.uniform(0.2, 0.5) * height)
            surface[gy : gy + 9, gx : gx + 7] = rng.uniform(30, 220, 3)
        sign = signs[rng.integers(len(signs))]
        board = slice(base - int(0.92 * height), base - int(0.74 * height))
        surface[board, x + 3 : x + w - 3] = sign
        for letter in range(x + 14, x + w - 16, 9):
            middle = (board.start + board.stop) // 2
            surface[middle - 3 : middle + 3, letter : letter + 5] = (
                240 if sign.mean() < 170 else 40
            )
        if rng.random() < 0.6:
            glow[inner, x + 7 : x + w - 7] = np.array([150, 205, 235]) * rng.uniform(0.4, 0.9)
            glow[board, x + 3 : x + w - 3] = sign * 0.8
        x += w
