# SPDX-License-Identifier: Apache-2.0
"""Exact boxes of road users, counted from the pixels that each of them owns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .painter import Extent

CATEGORIES = ('car', 'truck', 'bus', 'person', 'rider', 'bike', 'motor')
LEAST_PX, LEAST_HEIGHT, MOST_HIDDEN = 14, 4, 0.92


@dataclass(frozen=True)
class Box:
    """
    The visible extent of a road user, in pixels: x1 y1 inclusive, x2 y2 exclusive.

    `occlusion` is the hidden share 0..1 of its pixels, `truncated` whether the image cuts it.
    """

    category: str
    xyxy: tuple[float, float, float, float]
    occlusion: float
    truncated: bool


@dataclass(frozen=True)
class Drawn:
    """A road user at the moment it was painted: its number and its pixels before occlusion."""

    number: int
    category: str
    extent: Extent
    pixels: int


def drawn(owner: np.ndarray, number: int, category: str, within: Extent) -> Drawn | None:
    """Measure a road user right after it was painted; None if nothing of it is in view."""
    pixels = int(np.count_nonzero(owner[within] == number))
    return Drawn(number, category, within, pixels) if pixels else None


def visible_boxes(owner: np.ndarray, users: list[Drawn]) -> list[Box]:
    """Return the boxes of what is left visible when the whole picture is painted."""
    height, width = owner.shape
    boxes = []
    for user in users:
        mask = owner[user.extent] == user.number
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        seen = int(mask.sum())
        if seen < LEAST_PX or len(rows) < LEAST_HEIGHT:
            continue
        hidden = 1 - seen / user.pixels
        if hidden > MOST_HIDDEN:
            continue
        y0, x0 = user.extent[0].start, user.extent[1].start
        x1, x2 = x0 + int(columns[0]), x0 + int(columns[-1]) + 1
        y1, y2 = y0 + int(rows[0]), y0 + int(rows[-1]) + 1
        cut = bool(x1 == 0 or y1 == 0 or x2 == width or y2 == height)
        xyxy = (float(x1), float(y1), float(x2), float(y2))
        boxes.append(Box(user.category, xyxy, round(hidden, 3), cut))
    return boxes
