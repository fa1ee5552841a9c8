# SPDX-License-Identifier: Apache-2.0
"""Give a trained network another activation."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional as F

from model_tools.networks.blocks import Activation, ConvBlock
from model_tools.networks.panoptic_net import PanopticNet


class FadingSiLU(nn.Module):
    """SiLU that becomes ReLU: x sigmoid(x / t), for a temperature t that falls from 1 to 0."""

    def __init__(self) -> None:
        super().__init__()
        self.temperature = 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        t = self.temperature
        return F.silu(x / t) * t if t else F.relu(x)


def fade(net: nn.Module) -> None:
    """Replace the activations of all blocks in place; `set_temperature` makes them change."""
    for block in net.modules():
        if isinstance(block, ConvBlock):
            block[2] = FadingSiLU()


def set_temperature(net: nn.Module, temperature: float) -> None:
    """Set what is between SiLU, 1, and ReLU, 0."""
    for module in net.modules():
        if isinstance(module, FadingSiLU):
            module.temperature = temperature


def with_activation(net: PanopticNet, activation: Activation) -> PanopticNet:
    """Return a network with the same weights and another activation; itself if it has that."""
    if net.config.activation == activation:
        return net
    other = PanopticNet(replace(net.config, activation=activation))
    other.load_state_dict(net.state_dict())
    return other.to(next(net.parameters()).device).train(net.training)
