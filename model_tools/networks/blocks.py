# SPDX-License-Identifier: Apache-2.0
"""Convolution blocks that every part of the network is built from."""

from __future__ import annotations

import torch
from torch import nn


class ConvBlock(nn.Sequential):
    """Convolution without bias, BatchNorm, SiLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        padding = (kernel - 1) // 2
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03),
            nn.SiLU(inplace=True),
        )


class SeparableConv(nn.Sequential):
    """Depthwise 3x3 convolution followed by a pointwise one."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            ConvBlock(inputs, inputs, 3, stride, groups=inputs), ConvBlock(inputs, outputs)
        )


class Bottleneck(nn.Module):
    """Pointwise then separable 3x3 convolution, with an optional residual sum."""

    def __init__(self, width: int, *, residual: bool) -> None:
        super().__init__()
        self.reduce = ConvBlock(width, width)
        self.spatial = SeparableConv(width, width)
        self.residual = residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.spatial(self.reduce(x))
        return x + y if self.residual else y


class CSPBlock(nn.Module):
    """Cross-stage-partial block: two parallel 1x1 branches, one of them deep, merged by a third.

    The branches are separate convolutions rather than a `chunk` of one, so that a dependency
    graph can prune each on its own.
    """

    def __init__(self, inputs: int, outputs: int, depth: int, *, residual: bool = True) -> None:
        super().__init__()
        hidden = outputs // 2
        self.deep = ConvBlock(inputs, hidden)
        self.bypass = ConvBlock(inputs, hidden)
        self.blocks = nn.Sequential(*(Bottleneck(hidden, residual=residual) for _ in range(depth)))
        self.merge = ConvBlock(2 * hidden, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.merge(torch.cat((self.blocks(self.deep(x)), self.bypass(x)), 1))


class SPPF(nn.Module):
    """Spatial pyramid pooling: chained 5x5 max pools equal to windows of 5, 9 and 13 pixels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        hidden = inputs // 2
        self.reduce = ConvBlock(inputs, hidden)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.merge = ConvBlock(4 * hidden, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x5 = self.pool(x0 := self.reduce(x))
        x9 = self.pool(x5)
        return self.merge(torch.cat((x0, x5, x9, self.pool(x9)), 1))
