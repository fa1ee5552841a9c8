# SPDX-License-Identifier: Apache-2.0
"""CSP backbone: image to features at strides 4, 8, 16 and 32."""

from __future__ import annotations

import torch
from torch import nn

from model_tools.networks.blocks import SPPF, Blocks, CSPBlock


class Backbone(nn.Module):
    """Stem and four stages; returns C2, C3, C4, C5."""

    def __init__(self, blocks: Blocks, widths: tuple[int, ...], depths: tuple[int, ...]) -> None:
        """Build it from the widths of stem and stages (5) and the depths of the stages (4)."""
        super().__init__()
        stem, w2, w3, w4, w5 = widths
        d2, d3, d4, d5 = depths
        self.stem = blocks.conv(3, stem, 6, 2)
        self.stage2 = nn.Sequential(blocks.spatial(stem, w2, 2), CSPBlock(blocks, w2, w2, d2))
        self.stage3 = nn.Sequential(blocks.spatial(w2, w3, 2), CSPBlock(blocks, w3, w3, d3))
        self.stage4 = nn.Sequential(blocks.spatial(w3, w4, 2), CSPBlock(blocks, w4, w4, d4))
        self.stage5 = nn.Sequential(
            blocks.spatial(w4, w5, 2),
            SPPF(blocks, w5, w5),
            CSPBlock(blocks, w5, w5, d5, residual=False),
        )

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Map an image (N, 3, H, W), values 0..255, to four feature maps."""
        c2 = self.stage2(self.stem(image))
        c3 = self.stage3(c2)
        c4 = self.stage4(c3)
        return c2, c3, c4, self.stage5(c4)
