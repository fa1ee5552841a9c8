# SPDX-License-Identifier: Apache-2.0
"""Four pictures in one: more scenes and scales in a batch (YOLOv4, arXiv 2004.10934)."""

from __future__ import annotations

import numpy as np

from model_tools.data.augmentation.geometry import Region

CENTRE = (0.3, 0.7)
"""Where the four cells meet, as a share of the width and of the height."""
OFFSET = (0.2, 0.8)
"""Which part of a picture its cell shows: not its very border, which is often sky or bonnet."""


def cells(centre: tuple[int, int], network_wh: tuple[int, int]) -> list[Region]:
    """Return the four cells around their common corner, row by row."""
    (x, y), (width, height) = centre, network_wh
    return [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]


def random_centre(network_wh: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """Return a corner on even pixels: the masks have half the size."""
    x, y = (2 * np.round(rng.uniform(*CENTRE, 2) * network_wh / 2)).astype(int).tolist()
    return x, y


def random_place(
    cell: Region, network_wh: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """Return the `cell_matrix` of a random part of the picture."""
    return cell_matrix(cell, network_wh, rng.random(), rng.uniform(*OFFSET, 2))


def cell_matrix(
    cell: Region, network_wh: tuple[int, int], zoom: float, offset: np.ndarray
) -> np.ndarray:
    """
    Return the 3x3 matrix that places a whole picture so that it covers a cell.

    Args:
        cell: The part of the network's input to cover.
        network_wh: Width and height of the picture.
        zoom: 0 to 1; from the least that covers the cell to the picture's own size.
        offset: (2,) 0 to 1; from the picture's left and upper to its right and lower border.

    """
    corner, wh = np.array(cell[:2]), np.subtract(cell[2:], cell[:2])
    least = (wh / network_wh).max()
    scale = least ** (1 - zoom)
    matrix = np.diag([scale, scale, 1.0])
    matrix[:2, 2] = corner - offset * (scale * np.array(network_wh) - wh)
    return matrix
