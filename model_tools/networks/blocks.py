# SPDX-License-Identifier: Apache-2.0
"""Convolution blocks that every part of the network is built from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

Convolution = Literal['dense', 'separable']
Activation = Literal['relu', 'silu', 'hardswish']

ACTIVATIONS: dict[str, type[nn.Module]] = {
    'relu': nn.ReLU,
    'silu': nn.SiLU,
    'hardswish': nn.Hardswish,
}


class ConvBlock(nn.Sequential):
    """Convolution without bias, BatchNorm, activation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        *,
        activation: Activation,
    ) -> None:
        padding = (kernel - 1) // 2
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03),
            ACTIVATIONS[activation](inplace=True),
        )


class SeparableConv(nn.Sequential):
    """Depthwise 3x3 convolution followed by a pointwise one."""

    def __init__(
        self, inputs: int, outputs: int, stride: int = 1, *, activation: Activation
    ) -> None:
        super().__init__(
            ConvBlock(inputs, inputs, 3, stride, groups=inputs, activation=activation),
            ConvBlock(inputs, outputs, activation=activation),
        )


@dataclass(frozen=True)
class Blocks:
    """The two decisions that all blocks of one network share, and the blocks made by them."""

    convolution: Convolution
    """'dense' 3x3 convolutions, or 'separable' ones: fewer weights, less speed for each."""
    activation: Activation
    """'relu' fuses into the convolution everywhere and survives int8."""

    def conv(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> ConvBlock:
        """Return a plain convolution block."""
        return ConvBlock(inputs, outputs, kernel, stride, activation=self.activation)

    def spatial(self, inputs: int, outputs: int, stride: int = 1) -> nn.Module:
        """Return a block that looks at 3x3 neighbours."""
        if self.convolution == 'separable':
            return SeparableConv(inputs, outputs, stride, activation=self.activation)
        return self.conv(inputs, outputs, 3, stride)


class Bottleneck(nn.Module):
    """Pointwise then 3x3 convolution, with an optional residual sum."""

    def __init__(self, blocks: Blocks, width: int, *, residual: bool) -> None:
        super().__init__()
        self.reduce = blocks.conv(width, width)
        self.spatial = blocks.spatial(width, width)
        self.residual = residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.spatial(self.reduce(x))
        return x + y if self.residual else y


class CSPBlock(nn.Module):
    """Cross-stage-partial block: two parallel 1x1 branches, one of them deep, merged by a third.

    The branches are separate convolutions rather than a `chunk` of one, so that a dependency
    graph can prune each on its own.
    """

    def __init__(
        self, blocks: Blocks, inputs: int, outputs: int, depth: int, *, residual: bool = True
    ) -> None:
        super().__init__()
        hidden = outputs // 2
        self.deep = blocks.conv(inputs, hidden)
        self.bypass = blocks.conv(inputs, hidden)
        self.blocks = nn.Sequential(
            *(Bottleneck(blocks, hidden, residual=residual) for _ in range(depth))
        )
        self.merge = blocks.conv(2 * hidden, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.merge(torch.cat((self.blocks(self.deep(x)), self.bypass(x)), 1))


class SPPF(nn.Module):
    """Spatial pyramid pooling: chained 5x5 max pools equal to windows of 5, 9 and 13 pixels."""

    def __init__(self, blocks: Blocks, inputs: int, outputs: int) -> None:
        super().__init__()
        hidden = inputs // 2
        self.reduce = blocks.conv(inputs, hidden)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.merge = blocks.conv(4 * hidden, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x5 = self.pool(x0 := self.reduce(x))
        x9 = self.pool(x5)
        return self.merge(torch.cat((x0, x5, x9, self.pool(x9)), 1))
