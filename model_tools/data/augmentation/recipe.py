# SPDX-License-Identifier: Apache-2.0
"""What is drawn at random for one picture, before a pixel is touched."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from model_tools.data.augmentation.copy_paste import Clippings, place_clipping
from model_tools.data.augmentation.geometry import Region, random_matrix
from model_tools.data.augmentation.looks import Drawn, draw_looks
from model_tools.data.augmentation.mosaic import cells, random_centre, random_place
from model_tools.data.augmentation.settings import Augmentation

MOST_PASTES = 3


@dataclass(frozen=True)
class Tile:
    """A sample and where it goes."""

    sample: int
    matrix: np.ndarray
    """(3, 3) from canvas to network pixels."""
    region: Region
    """What it fills of the network's input; all borders are even."""


@dataclass(frozen=True)
class Recipe:
    """A picture: one tile or the four of a mosaic, then pastes, and the looks of the whole."""

    tiles: list[Tile]
    looks: Drawn = field(default_factory=dict)


def plain_recipe(sample: int, fit: np.ndarray, network_wh: tuple[int, int]) -> Recipe:
    """Return a picture with nothing changed; `fit` is from canvas to network pixels."""
    return Recipe([Tile(sample, fit, (0, 0, *network_wh))])


def draw_recipe(
    order: np.ndarray,
    position: int,
    augmentation: Augmentation,
    rng: np.random.Generator,
    *,
    fit: np.ndarray,
    network_wh: tuple[int, int],
    clippings: Clippings,
) -> Recipe:
    """
    Draw how a picture is made.

    Args:
        order: Samples of the epoch; a mosaic takes its other three from anywhere in it.
        position: Of the picture's own sample in the order.
        augmentation: Strength of the changes.
        rng: Used for this picture alone.
        fit: (3, 3) from canvas to network pixels.
        network_wh: Width and height of the network's input.
        clippings: What may be pasted.

    """
    samples = [int(order[position])]
    regions: list[Region] = [(0, 0, *network_wh)]
    places = [np.eye(3)]
    if rng.random() < augmentation.mosaic:
        regions = cells(random_centre(network_wh, rng), network_wh)
        places = [random_place(region, network_wh, rng) for region in regions]
        samples += rng.choice(order, 3).tolist()
    tiles = [
        Tile(sample, place @ random_matrix(network_wh, augmentation, rng) @ fit, region)
        for sample, place, region in zip(samples, places, regions, strict=True)
    ]
    if augmentation.copy_paste and rng.random() < augmentation.copy_paste and clippings.samples:
        for _ in range(rng.integers(1, MOST_PASTES + 1)):
            sample, box = clippings.draw(rng)
            tiles.append(Tile(sample, *place_clipping(box, fit, network_wh, rng)))
    return Recipe(tiles, draw_looks(augmentation, rng))
