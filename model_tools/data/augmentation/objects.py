# SPDX-License-Identifier: Apache-2.0
"""Move the objects of samples to where recipes place them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from model_tools.data.augmentation.geometry import MIN_VISIBLE, covered, move_boxes
from model_tools.data.augmentation.recipe import Recipe


class Objects(NamedTuple):
    """Objects of one sample, or of several pictures one after the other."""

    boxes: np.ndarray
    """(K, 4) float32 pixels."""
    labels: np.ndarray
    """(K,) int64."""
    crowd: np.ndarray
    """(K,) bool: a region to ignore."""

    @classmethod
    def join(cls, parts: Sequence[Objects]) -> Objects:
        """Return the objects of all parts; there is at least one."""
        return cls(*(np.concatenate(values) for values in zip(*parts, strict=True)))


EVERYWHERE = Objects(
    np.array([[-1e6, -1e6, 1e6, 1e6]], np.float32), np.zeros(1, np.int64), np.ones(1, bool)
)
"""A region to ignore that fills its cell, however the sample is moved."""


def move_objects(
    samples: Sequence[Objects], complete: Sequence[bool], recipes: Sequence[Recipe]
) -> tuple[Objects, list[int], list[bool]]:
    """
    Return the objects of N pictures, clipped to their cells; those out of sight are left out.

    Args:
        samples: T, of all tiles of the recipes in their order, canvas pixels.
        complete: T times whether every object of the sample has a box.
        recipes: N.

    Returns:
        The objects of all pictures, how many of them are in each, and whether these are all. In a
        picture of several the whole cell of a sample that may lack boxes is a region to ignore,
        and so is what a paste hides.

    """
    tiles = [(tile, i) for i, recipe in enumerate(recipes) for tile in recipe.tiles]
    alone = [len(recipes[i].tiles) == 1 for _, i in tiles]
    every = [
        objects if is_complete or is_alone else Objects.join((objects, EVERYWHERE))
        for objects, is_complete, is_alone in zip(samples, complete, alone, strict=True)
    ]
    counts = [len(objects.labels) for objects in every]
    matrices = np.repeat([tile.matrix for tile, _ in tiles], counts, axis=0)
    regions = np.repeat([tile.region for tile, _ in tiles], counts, axis=0)
    picture = np.repeat([i for _, i in tiles], counts)

    before = Objects.join(every)
    boxes, ignored = move_boxes(before.boxes, matrices, regions)
    tile_of = np.repeat(range(len(tiles)), counts)
    for number, (tile, i) in enumerate(tiles):
        below = (picture == i) & (tile_of < number)
        ignored[below] |= covered(boxes[below], tile.region) > 1 - MIN_VISIBLE
    seen = (boxes[:, :2] < boxes[:, 2:]).all(1)
    moved = Objects(boxes[seen], before.labels[seen], (before.crowd | ignored)[seen])
    lacking = {i for (_, i), ok, one in zip(tiles, complete, alone, strict=True) if one and not ok}
    return (
        moved,
        np.bincount(picture[seen], minlength=len(recipes)).tolist(),
        [i not in lacking for i in range(len(recipes))],
    )
