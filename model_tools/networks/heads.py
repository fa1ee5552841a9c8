# SPDX-License-Identifier: Apache-2.0
"""Task heads: anchor-free decoupled detection and light binary segmentation."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from model_tools.networks.blocks import Blocks

STRIDES = (8, 16, 32)
PRIOR = 0.01  # initial probability of each class, so that the first steps are not all negatives


class DetectionOutput(NamedTuple):
    """Dense predictions over the A cells of all strides."""

    logits: torch.Tensor
    """(N, A, classes), before the sigmoid."""
    boxes: torch.Tensor
    """(N, A, 4), x1 y1 x2 y2 in network pixels."""


class DetectionHead(nn.Module):
    """One class branch and one box branch for each of P3, P4, P5.

    A box is four distances from the centre of its cell (left, top, right, bottom), softplus
    times stride: positive by construction, and kind to int8.
    """

    def __init__(
        self, blocks: Blocks, inputs: tuple[int, int, int], width: int, classes: int
    ) -> None:
        super().__init__()
        self.stems = nn.ModuleList(blocks.conv(w, width) for w in inputs)
        self.class_branches = nn.ModuleList(_branch(blocks, width) for _ in inputs)
        self.box_branches = nn.ModuleList(_branch(blocks, width) for _ in inputs)
        self.class_logits = nn.ModuleList(nn.Conv2d(width, classes, 1) for _ in inputs)
        self.box_distances = nn.ModuleList(nn.Conv2d(width, 4, 1) for _ in inputs)
        for logits, distances in zip(self.class_logits, self.box_distances, strict=True):
            nn.init.constant_(logits.bias, -math.log(1 / PRIOR - 1))
            nn.init.constant_(distances.bias, 1.0)

    def forward(self, features: tuple[torch.Tensor, ...]) -> DetectionOutput:
        """Predict on P3, P4, P5; cells run stride by stride, row by row."""
        logits, boxes = [], []
        for level, (x, stride) in enumerate(zip(features, STRIDES, strict=True)):
            x = self.stems[level](x)
            logits.append(self.class_logits[level](self.class_branches[level](x)))
            distances = self.box_distances[level](self.box_branches[level](x))
            boxes.append(_decode(distances, stride))
        return DetectionOutput(
            torch.cat([t.flatten(2) for t in logits], 2).transpose(1, 2),
            torch.cat([t.flatten(2) for t in boxes], 2).transpose(1, 2),
        )


class SegmentationHead(nn.Module):
    """Binary mask at stride 4 from P3 and a C2 skip."""

    def __init__(self, blocks: Blocks, deep: int, skip: int, width: int) -> None:
        super().__init__()
        self.deep = blocks.conv(deep, width)
        self.skip = blocks.conv(skip, width)
        self.mix = nn.Sequential(blocks.conv(width, width, 3), blocks.conv(width, width // 2, 3))
        self.logit = nn.Conv2d(width // 2, 1, 1)

    def forward(self, p3: torch.Tensor, c2: torch.Tensor) -> torch.Tensor:
        """Return logits (N, 1, H / 4, W / 4)."""
        deep = F.interpolate(self.deep(p3), scale_factor=2.0, mode='bilinear', align_corners=False)
        return self.logit(self.mix(deep + self.skip(c2)))


def cell_centres(height: int, width: int, device: torch.device | None = None) -> torch.Tensor:
    """Return (A, 3): x, y of each cell's centre in network pixels, and its stride."""
    rows = []
    for stride in STRIDES:
        y, x = torch.meshgrid(
            torch.arange(height // stride, device=device),
            torch.arange(width // stride, device=device),
            indexing='ij',
        )
        centres = (torch.stack((x, y), -1).reshape(-1, 2) + 0.5) * stride
        rows.append(torch.cat((centres, torch.full_like(centres[:, :1], stride)), 1))
    return torch.cat(rows)


def _branch(blocks: Blocks, width: int) -> nn.Sequential:
    return nn.Sequential(blocks.spatial(width, width), blocks.spatial(width, width))


def _decode(distances: torch.Tensor, stride: int) -> torch.Tensor:
    height, width = distances.shape[2:]
    distances = distances.to(torch.promote_types(distances.dtype, torch.float32))
    options = {'dtype': distances.dtype, 'device': distances.device}
    x = (torch.arange(width, **options) + 0.5) * stride
    y = (torch.arange(height, **options) + 0.5).view(-1, 1) * stride
    left, top, right, bottom = (F.softplus(distances) * stride).split(1, 1)
    return torch.cat((x - left, y - top, x + right, y + bottom), 1)
