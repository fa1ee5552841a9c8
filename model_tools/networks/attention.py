# SPDX-License-Identifier: Apache-2.0
"""Plain self-attention over one feature map: the AIFI block of RT-DETR, arXiv 2304.08069."""

from __future__ import annotations

import torch
from torch import nn

HEADS = 8
EXPANSION = 2
TEMPERATURE = 10_000.0


class GlobalAttention(nn.Module):
    """One transformer layer over the cells of a map; width and size stay as they are.

    Positions are sines and cosines of row and column, made from the size of the map, so no
    weight depends on the input size.
    """

    def __init__(self, width: int) -> None:
        """Build it for maps of `width` channels, a multiple of 8 (heads) and of 4 (positions)."""
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.project = nn.Linear(width, width)
        self.norm_attention = nn.LayerNorm(width)
        self.expand = nn.Linear(width, EXPANSION * width)
        self.reduce = nn.Linear(EXPANSION * width, width)
        self.norm_output = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to (N, C, H, W)."""
        height, width = x.shape[2:]
        cells = x.flatten(2).transpose(1, 2)  # (N, H * W, C)
        placed = cells + positions(height, width, x.shape[1], x.device).to(x.dtype)
        attended = nn.functional.scaled_dot_product_attention(
            *(self._split(t) for t in (self.query(placed), self.key(placed), self.value(cells)))
        )
        merged = attended.transpose(1, 2).flatten(2)
        cells = self.norm_attention(cells + self.project(merged))
        cells = self.norm_output(cells + self.reduce(self.expand(cells).relu()))
        return cells.transpose(1, 2).unflatten(2, (height, width))

    @staticmethod
    def _split(x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(2, (HEADS, -1)).transpose(1, 2)


def positions(
    height: int, width: int, channels: int, device: torch.device | None = None
) -> torch.Tensor:
    """Return (H * W, channels): sines and cosines of column, then of row."""
    quarter = channels // 4
    rates = TEMPERATURE ** -(torch.arange(quarter, device=device) / quarter)
    y, x = torch.meshgrid(
        torch.arange(height, device=device), torch.arange(width, device=device), indexing='ij'
    )
    angles = torch.stack((x, y), -1).reshape(-1, 2, 1) * rates  # (H * W, 2, quarter)
    return torch.cat((angles.sin(), angles.cos()), 2).flatten(1)
