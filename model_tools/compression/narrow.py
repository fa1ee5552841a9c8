# SPDX-License-Identifier: Apache-2.0
"""The control of every compression: a narrow network of the same cost, trained from scratch."""

from __future__ import annotations

from dataclasses import replace

import torch

from model_tools.compression.costs import Cost
from model_tools.compression.groups import ChannelGroup, find_groups
from model_tools.compression.selection import Keep, Widths, meet_budget
from model_tools.compression.surgery import protected_modules, remove_channels
from model_tools.networks.config import NetworkConfig
from model_tools.networks.panoptic_net import PanopticNet


def narrow_network(
    wide: NetworkConfig, example: torch.Tensor, cost: Cost, budget: float, widths: Widths
) -> NetworkConfig:
    """Return the settings of a network with the same share of every group's channels.

    Args:
        wide: Of the network to be narrowed.
        example: What to trace it with.
        cost: Of a network.
        budget: Most that it may cost.
        widths: How many channels a group may keep.

    Raises:
        BudgetError: It cannot be reached.

    """
    net = PanopticNet(replace(wide, channels={})).to(example.device)
    groups = find_groups(net, example, protected=protected_modules(net))

    def narrowed(keep: Keep) -> PanopticNet:
        return remove_channels(net, groups, keep, example)

    keep = meet_budget(_evenly(groups), widths, lambda k: cost(narrowed(k)), budget)
    return narrowed(keep).config


def _evenly(groups: list[ChannelGroup]) -> dict[str, torch.Tensor]:
    """Return scores by which any threshold takes the same share of each group."""
    return {group.name: torch.arange(1, group.size + 1) / group.size for group in groups}
