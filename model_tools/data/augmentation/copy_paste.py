# SPDX-License-Identifier: Apache-2.0
"""Objects of other pictures, pasted with the rectangle around them.

Copy-paste (arXiv 2012.07177) for data that have boxes and no outlines to cut along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model_tools.data.augmentation.geometry import Region

MARGIN = 0.15
"""Of the object's own sides, shown around it."""
LEAST = 12.0
"""Shorter side of an object that is worth to be pasted, canvas pixels."""
MOST = 0.4
"""Greatest share of the picture's sides that a paste may take."""


@dataclass(frozen=True)
class Clippings:
    """Objects that may be pasted, those of each label together."""

    samples: list[np.ndarray]
    """For each label that there is, (K,) int: which sample they come from."""
    boxes: list[np.ndarray]
    """The same, (K, 4) float32, canvas pixels."""

    def draw(self, rng: np.random.Generator) -> tuple[int, np.ndarray]:
        """Return a sample and the box of an object of it; each label comes as often."""
        label = rng.integers(len(self.samples))
        k = rng.integers(len(self.samples[label]))
        return int(self.samples[label][k]), self.boxes[label][k]


def find_clippings(
    boxes: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    crowd: Sequence[np.ndarray],
    canvas_wh: tuple[int, int],
) -> Clippings:
    """
    Return the objects of N samples that are neither too small nor too large to be pasted.

    Args:
        boxes: N times (K, 4), canvas pixels.
        labels: N times (K,).
        crowd: N times (K,) bool; regions to ignore are no objects.
        canvas_wh: Width and height of the samples.

    """
    samples = np.repeat(np.arange(len(boxes)), [len(b) for b in boxes])
    every, kinds, ignored = map(np.concatenate, (boxes, labels, crowd))
    sides = every[:, 2:] - every[:, :2]
    fit = ~ignored & (sides.min(1) >= LEAST) & (sides <= MOST * np.array(canvas_wh)).all(1)
    found = [fit & (kinds == label) for label in np.unique(kinds[fit])]
    return Clippings([samples[f] for f in found], [every[f] for f in found])


def place_clipping(
    box: np.ndarray,
    fit: np.ndarray,
    network_wh: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[np.ndarray, Region]:
    """
    Return the (3, 3) matrix and the region of a paste: as high as it was, anywhere along the row.

    Args:
        box: (4,) canvas pixels.
        fit: (3, 3) from canvas to network pixels.
        network_wh: Width and height of the network's input.
        rng: Draws the column.

    """
    low, high = (fit @ [[box[0], box[2]], [box[1], box[3]], [1, 1]])[:2].T
    margin = MARGIN * (high - low)
    # Even borders, as the masks have half the size.
    x1, y1 = (2 * np.floor((low - margin) / 2)).clip(0).astype(int).tolist()
    x2, y2 = (2 * np.ceil((high + margin) / 2)).clip(None, network_wh).astype(int).tolist()
    left = 2 * int(rng.integers((network_wh[0] - (x2 - x1)) // 2 + 1))
    move = np.eye(3)
    move[0, 2] = left - x1
    return move @ fit, (left, y1, left + x2 - x1, y2)
