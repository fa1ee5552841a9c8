# SPDX-License-Identifier: Apache-2.0
"""Paint pictures and their mask targets as recipes say, in batches on one device."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from model_tools.data.augmentation.geometry import sampling_grid, source_window, warp
from model_tools.data.augmentation.looks import apply_looks
from model_tools.data.augmentation.recipe import Recipe
from model_tools.data.cache import unpack_masks

PAD_VALUE = 114.0
HALF = 0.499
"""What counts as half of a pixel, whichever way the last bit was rounded."""


def paint(
    images: Tensor, masks: Tensor, recipes: Sequence[Recipe], network_wh: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """
    Return N pictures, their mask targets and where these are known, as a `Batch` holds them.

    Args:
        images: (T, H, W, 3) uint8 BGR, canvas pixels: the samples of all tiles, in their order.
        masks: (T, H, W) uint8, packed.
        recipes: N, of T tiles together.
        network_wh: Width and height of the network's input.

    """
    width, height = network_wh
    canvas_wh = (images.shape[2], images.shape[1])
    pictures = torch.empty(len(recipes), 3, height, width, device=images.device)
    targets = torch.empty(len(recipes), 4, height // 2, width // 2, device=images.device)
    tiles = [
        (tile, i, (0, 0, width, height) == tile.region and tile is recipe.tiles[0])
        for i, recipe in enumerate(recipes)
        for tile in recipe.tiles
    ]
    first = 0
    # Whole pictures that follow each other are warped together, cells of mosaics and what is
    # pasted one by one: it may fall on what was pasted before.
    for _, group in groupby(tiles, key=lambda item: item[2] or id(item[0])):
        run = list(group)
        part = slice(first, first + len(run))
        at = slice(run[0][1], run[-1][1] + 1)
        region = x1, y1, x2, y2 = run[0][0].region
        matrices = np.stack([tile.matrix for tile, *_ in run])
        window = source_window(matrices, region, canvas_wh)
        left, top, right, bottom = window
        grid = sampling_grid(matrices, region, window, images.device)
        colours = images[part, top:bottom, left:right].float().sub_(PAD_VALUE)
        torch.add(warp(colours, grid), PAD_VALUE, out=pictures[at, :, y1:y2, x1:x2])
        halved = _halved(warp(unpack_masks(masks[part, top:bottom, left:right]), grid))
        targets[at, :, y1 // 2 : y2 // 2, x1 // 2 : x2 // 2] = halved
        first += len(run)
    # Rounding may leave the range by a hair, and powers of less than 0 are no numbers.
    pictures.clamp_(0, 255)
    apply_looks(pictures, [recipe.looks for recipe in recipes])
    positive, known = targets[:, :2], targets[:, 2:]
    share = positive / known.clamp(min=1e-6) * 255
    return (
        pictures.round_().to(torch.uint8, memory_format=torch.channels_last),
        share.round_().clamp_(0, 255).to(torch.uint8),
        known > HALF,
    )


def _halved(planes: Tensor) -> Tensor:
    """Return the mean of each 2x2 pixels."""
    rows = planes[..., ::2, :] + planes[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]).div_(4)
