# SPDX-License-Identifier: Apache-2.0
"""Box overlap measures in torch; boxes are x1 y1 x2 y2 in the last dimension."""

from __future__ import annotations

import torch

EPSILON = 1e-7


def iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the IoU of boxes (..., 4) with others (..., 4) of a shape that broadcasts."""
    top_left = torch.maximum(a[..., :2], b[..., :2])
    bottom_right = torch.minimum(a[..., 2:], b[..., 2:])
    overlap = (bottom_right - top_left).clamp(min=0).prod(-1)
    area_a, area_b = ((x[..., 2:] - x[..., :2]).clamp(min=0).prod(-1) for x in (a, b))
    return overlap / (area_a + area_b - overlap + EPSILON)


def pairwise_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the IoU (N, M) of each box of `a` (N, 4) with each box of `b` (M, 4)."""
    return iou(a[:, None], b[None])


def ciou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the complete IoU (N,) of paired boxes (N, 4): Zheng et al., arXiv 1911.08287."""
    size_a, size_b = a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2]
    overlap_iou = iou(a, b)
    hull = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    offset = (a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2
    distance = offset.square().sum(1) / (hull.square().sum(1) + EPSILON)
    angle = torch.atan(size_b[:, 0] / (size_b[:, 1] + EPSILON)) - torch.atan(
        size_a[:, 0] / (size_a[:, 1] + EPSILON)
    )
    shape = 4 / torch.pi**2 * angle.square()
    with torch.no_grad():
        weight = shape / (1 - overlap_iou + shape + EPSILON)
    return overlap_iou - distance - weight * shape
