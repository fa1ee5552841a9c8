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
        return self._conv_forward(rounded_input(x), rounded_weight(self.weight), self.bias)


def round_in_training(net: nn.Module) -> None:
    """Make the convolutions of all blocks round, in place; names and weights stay as they are.

    The last layers of the heads are no blocks: `model_tools quantize` leaves them in float, too.
    """
    for block in net.modules():
        if isinstance(block, ConvBlock):
            block[0].__class__ = RoundingConv


def rounded_input(x: torch.Tensor) -> torch.Tensor:
    """Return the nearest of 256 levels; the largest number of the batch sets their distance."""
    low, high = (limit.float() for limit in torch.aminmax(x.detach()))
    step = torch.where(low < 0, torch.maximum(high, -low) / MOST, high / (2 * MOST + 1))
    return torch.fake_quantize_per_tensor_affine(
        x, _not_zero(step), torch.zeros_like(step, dtype=torch.int32), -MOST, 2 * MOST + 1
    )


def rounded_weight(weight: torch.Tensor) -> torch.Tensor:
    """Return the nearest of 255 levels, as many on either side of 0, for each filter."""
    step = _not_zero(weight.detach().abs().amax((1, 2, 3)).float() / MOST)
    zeros = torch.zeros_like(step, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, step, zeros, 0, -MOST, MOST)


def _not_zero(step: torch.Tensor) -> torch.Tensor:
    return step.clamp(min=torch.finfo(torch.float32).tiny)
