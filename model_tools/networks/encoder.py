# SPDX-License-Identifier: Apache-2.0
"""FPN and PAN encoder: mixes the backbone's scales, top down and bottom up."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from model_tools.networks.attention import GlobalAttention
from model_tools.networks.blocks import Blocks, CSPBlock


class Encoder(nn.Module):
    """Path-aggregation network; returns P3, P4, P5 with the widths of C3, C4, C5.

    With `attention`, every cell of C5 first looks at all others.
    """

    def __init__(
        self, blocks: Blocks, widths: tuple[int, int, int], depth: int, *, attention: bool = False
    ) -> None:
        super().__init__()
        w3, w4, w5 = widths
        self.attention = GlobalAttention(w5) if attention else nn.Identity()
        self.lateral5 = blocks.conv(w5, w4)
        self.down4 = CSPBlock(blocks, 2 * w4, w4, depth, residual=False)
        self.lateral4 = blocks.conv(w4, w3)
        self.down3 = CSPBlock(blocks, 2 * w3, w3, depth, residual=False)
        self.stride3 = blocks.spatial(w3, w3, 2)
        self.up4 = CSPBlock(blocks, 2 * w3, w4, depth, residual=False)
        self.stride4 = blocks.spatial(w4, w4, 2)
        self.up5 = CSPBlock(blocks, 2 * w4, w5, depth, residual=False)

    def forward(
        self, c3: torch.Tensor, c4: torch.Tensor, c5: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Mix C3, C4, C5 into P3, P4, P5 of the same sizes."""
        lateral5 = self.lateral5(self.attention(c5))
        lateral4 = self.lateral4(self.down4(torch.cat((_enlarge(lateral5), c4), 1)))
        p3 = self.down3(torch.cat((_enlarge(lateral4), c3), 1))
        p4 = self.up4(torch.cat((self.stride3(p3), lateral4), 1))
        p5 = self.up5(torch.cat((self.stride4(p4), lateral5), 1))
        return p3, p4, p5


def _enlarge(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2.0, mode='nearest')
