# SPDX-License-Identifier: Apache-2.0
"""Train a network for 8 bits: its convolutions round as an engine will (quantisation-aware)."""

from __future__ import annotations

import torch
from torch import nn

from model_tools.networks.blocks import ConvBlock

MOST = 127
"""Greatest level of 8 bits with a sign; without one it is 255."""


class RoundingConv(nn.Conv2d):
    """A convolution of numbers of 8 bits; gradients pass as if nothing was rounded."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Before a depthwise convolution `quantize` gives all channels like ranges, where it can.
        x = rounded_input(x, by_channel=self.groups > 1)
        return self._conv_forward(x, rounded_weight(self.weight), self.bias)


def round_in_training(net: nn.Module) -> None:
    """Make the convolutions of all blocks round, in place; names and weights stay as they are.

    The last layers of the heads are no blocks: `model_tools quantize` leaves them in float, too.
    """
    for block in net.modules():
        if isinstance(block, ConvBlock):
            block[0].__class__ = RoundingConv


def rounded_input(x: torch.Tensor, *, by_channel: bool = False) -> torch.Tensor:
    """Return the nearest of 256 levels; the largest number of the batch sets their distance.

    Args:
        x: (N, C, H, W).
        by_channel: Whether the largest of each channel sets its own.

    """
    if not by_channel:
        step = _step(*torch.aminmax(x.detach()))
        zero = torch.zeros_like(step, dtype=torch.int32)
        return torch.fake_quantize_per_tensor_affine(x, step, zero, -MOST, 2 * MOST + 1)
    step = _step(x.detach().amin((0, 2, 3)), x.detach().amax((0, 2, 3)))
    zeros = torch.zeros_like(step, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(x, step, zeros, 1, -MOST, 2 * MOST + 1)


def rounded_weight(weight: torch.Tensor) -> torch.Tensor:
    """Return the nearest of 255 levels, as many on either side of 0, for each filter."""
    step = _not_zero(weight.detach().abs().amax((1, 2, 3)).float() / MOST)
    zeros = torch.zeros_like(step, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, step, zeros, 0, -MOST, MOST)


def _step(low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Return the distance of levels; below 0 there are half as many on either side."""
    low, high = low.float(), high.float()
    return _not_zero(torch.where(low < 0, torch.maximum(high, -low) / MOST, high / (2 * MOST + 1)))


def _not_zero(step: torch.Tensor) -> torch.Tensor:
    return step.clamp(min=torch.finfo(torch.float32).tiny)
