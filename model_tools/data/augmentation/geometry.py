# SPDX-License-Identifier: Apache-2.0
"""Affine maps from canvas to network pixels: one matrix moves picture, masks and boxes alike.

Coordinates are continuous: pixel `i` covers `i` to `i + 1`, so its centre lies at `i + 0.5`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model_tools.data.augmentation.settings import Augmentation
from panoptic_perception.core.letterbox import Letterbox

MIN_VISIBLE = 0.3
"""Share of a box that must stay in view; less makes it a region to ignore."""
MIN_SIDE = 3.0
"""Network pixels; boxes with a shorter side are regions to ignore."""

Region = tuple[int, int, int, int]
"""x1 y1 x2 y2 of a part of the network's input, pixels."""


def fit_matrix(canvas_wh: tuple[int, int], network_wh: tuple[int, int]) -> np.ndarray:
    """Return the 3x3 matrix that letterboxes the canvas into the network's input."""
    letterbox = Letterbox(canvas_wh, network_wh)
    matrix = np.diag([*letterbox.gain, 1.0])
    matrix[:2, 2] = letterbox.pad
    return matrix


def random_matrix(
    network_wh: tuple[int, int], augmentation: Augmentation, rng: np.random.Generator
) -> np.ndarray:
    """Return a 3x3 matrix from network to network pixels: zoom, lean, shift and flip."""
    width, height = network_wh
    zoom = np.exp(rng.uniform(*np.log(augmentation.scale)))
    shift = rng.uniform(-1, 1, 2) * augmentation.shift * max(zoom, 1.0) * network_wh
    turn = np.radians(rng.uniform(-1, 1) * augmentation.rotate)
    shear = np.tan(np.radians(rng.uniform(-1, 1) * augmentation.shear))
    mirror = -1.0 if rng.random() < augmentation.flip else 1.0
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.eye(3)
    matrix[:2, :2] = zoom * np.array([[cos, -sin], [sin, cos]]) @ [[1, shear], [0, 1]]
    matrix[0] *= mirror
    centre = np.array([width / 2, height / 2])
    matrix[:2, 2] = centre + shift - matrix[:2, :2] @ centre
    return matrix


def source_window(matrices: np.ndarray, region: Region, canvas_wh: tuple[int, int]) -> Region:
    """Return the part of the canvas that a region shows, at least one pixel of it."""
    x1, y1, x2, y2 = region
    corners = np.array([[x1, x2, x1, x2], [y1, y1, y2, y2], [1, 1, 1, 1]])
    seen = (np.linalg.inv(matrices) @ corners)[:, :2]
    # One pixel more on each side: bilinear sampling reaches there.
    low = np.clip(np.floor(seen.min((0, 2))) - 1, 0, np.subtract(canvas_wh, 1)).astype(int)
    high = np.clip(np.ceil(seen.max((0, 2))) + 1, low + 1, canvas_wh).astype(int)
    return low[0], low[1], high[0], high[1]


def sampling_grid(
    matrices: np.ndarray, region: Region, window: Region, device: torch.device
) -> Tensor:
    """
    Return where each pixel of a region comes from, (N, h, w, 2), for `warp`.

    Args:
        matrices: (N, 3, 3) from canvas to network pixels.
        region: Part of the network's input to fill.
        window: Part of the canvas to take it from.
        device: Where the grid is to be.

    """
    x1, y1, x2, y2 = region
    left, top, right, bottom = window
    # grid_sample counts from -1 to 1 between the outer edges of what it samples.
    gain, centre = 2 / np.array([right - left, bottom - top]), [left + right, top + bottom]
    to_unit = np.diag([*gain, 1.0])
    to_unit[:2, 2] = -gain * centre / 2
    maps = torch.from_numpy(to_unit @ np.linalg.inv(matrices)).to(device, torch.float32)
    x = torch.arange(x1, x2, device=device)[:, None] + 0.5
    y = torch.arange(y1, y2, device=device)[:, None, None] + 0.5
    by_x, by_y, offset = maps[:, None, None, :2].unbind(-1)
    return x * by_x + (y * by_y + offset)


def warp(planes: Tensor, grid: Tensor) -> Tensor:
    """Resample (N, H, W, C) planes bilinearly to (N, C, h, w); outside they are 0."""
    return F.grid_sample(planes.permute(0, 3, 1, 2), grid, align_corners=False)


def move_boxes(
    boxes: np.ndarray, matrices: np.ndarray, regions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """
    Move boxes and clip them to their regions.

    A turned box is the one around the turned ellipse that it held: the one around its corners is
    far too large (Kalra et al., Towards Rotation Invariance in Object Detection, ICCV 2021).

    Args:
        boxes: (K, 4) canvas pixels.
        matrices: (K, 3, 3) from canvas to network pixels.
        regions: (K, 4) network pixels.

    Returns:
        (K, 4) float32 network pixels, of no size where nothing is left to see, and (K,) bool:
        which of them are too small or too cut to learn from.

    """
    centres = np.concatenate((boxes[:, :2] + boxes[:, 2:], np.full((len(boxes), 1), 2.0)), 1) / 2
    moved = (matrices @ centres[..., None])[:, :2, 0]
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    reach = np.linalg.norm(matrices[:, :2, :2] * half[:, None], axis=2)
    low, high = moved - reach, moved + reach
    clipped_low = low.clip(regions[:, :2], regions[:, 2:])
    clipped_high = high.clip(regions[:, :2], regions[:, 2:])
    sides = clipped_high - clipped_low
    visible = sides.prod(1) / (high - low).prod(1).clip(1e-6)
    ignored = (visible < MIN_VISIBLE) | (sides.min(1, initial=np.inf) < MIN_SIDE)
    return np.concatenate((clipped_low, clipped_high), 1).astype(np.float32), ignored


def covered(boxes: np.ndarray, region: Region) -> np.ndarray:
    """Return which share of boxes, (K, 4) network pixels, lies in a region: (K,), 0 to 1."""
    sides = np.minimum(boxes[:, 2:], region[2:]) - np.maximum(boxes[:, :2], region[:2])
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return sides.clip(0).prod(1) / areas.clip(1e-6)
