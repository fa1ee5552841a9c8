# SPDX-License-Identifier: Apache-2.0
"""Remove channels from a network, and remember which ones live on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import TypeVar

import torch
from torch import nn

from model_tools.compression.groups import FILTERED, ChannelGroup, dependency_graph
from model_tools.compression.selection import Keep
from model_tools.networks.channels import narrowed
from model_tools.networks.panoptic_net import PanopticNet

Net = TypeVar('Net', bound=nn.Module)


class SurgeryError(ValueError):
    """Channels to keep are not channels of the group, or none."""


def protected_modules(net: PanopticNet) -> list[str]:
    """Return the parts whose outputs stay: what heads say, and attention.

    With attention the stream that feeds it stays, too: the last layer of C5 is coupled to it by
    a residual sum.
    """
    last = ['detection.class_logits', 'detection.box_distances', 'drivable.logit', 'lane.logit']
    return [*last, 'encoder.attention'] if net.config.attention else last


def remove_channels(
    net: Net, groups: Sequence[ChannelGroup], keep: Keep, example: torch.Tensor
) -> Net:
    """Return a copy without the channels that are not kept.

    In evaluation mode it says what `net` would with the gates (scale and shift of the norms) of
    those channels at 0, where activations map 0 to 0.

    Args:
        net: Stays as it is.
        groups: Of `find_groups` on this very network.
        keep: Channels that live on, by group; all of a group that it does not name.
        example: What to trace the network with, on its device.

    Raises:
        SurgeryError: `keep` names other groups or channels, or a layer could not follow.

    """
    by_name = {group.name: group for group in groups}
    for name, channels in keep.items():
        _check(name, channels, by_name)
    pruned = deepcopy(net)
    graph = dependency_graph(pruned, example)
    for name, channels in keep.items():
        filters = next(m for m in by_name[name].members if (m.module, m.side) == (name, 'out'))
        dropped = filters.index[_dropped(by_name[name], channels)].tolist()
        if dropped:
            root = pruned.get_submodule(name)
            handler = graph.get_pruner_of_module(root).prune_out_channels
            graph.get_pruning_group(root, handler, dropped).prune()
    _restore_modes(pruned, net)
    if isinstance(pruned, PanopticNet):
        with torch.device('meta'):
            whole = PanopticNet(replace(pruned.config, channels={}))
        pruned.config = replace(pruned.config, channels=narrowed(pruned, whole))
    return pruned


def kept_channels(
    net: nn.Module,
    groups: Sequence[ChannelGroup],
    keep: Keep,
    before: Mapping[str, torch.Tensor] | None = None,
) -> dict[str, torch.Tensor]:
    """Return for every layer which filters of the first network its remaining ones are.

    Args:
        net: The network before this round's surgery.
        groups: Its groups.
        keep: Channels that live on in this round, by group.
        before: What the last round returned; None in the first one.

    """
    alive = {
        name: torch.ones(_filters(module), dtype=torch.bool)
        for name, module in net.named_modules()
        if isinstance(module, FILTERED)
    }
    for group in groups:
        if group.name in keep:
            for member in group.members:
                if member.side == 'out':
                    alive[member.module][member.index[_dropped(group, keep[group.name])]] = False
    origin = before or {name: torch.arange(len(mask)) for name, mask in alive.items()}
    return {name: origin[name][mask] for name, mask in alive.items()}


def _check(name: str, channels: torch.Tensor, groups: Mapping[str, ChannelGroup]) -> None:
    if name not in groups:
        raise SurgeryError(f'{name!r} is no group of this network: find its groups anew')
    size = groups[name].size
    if not len(channels) or not torch.equal(channels, channels.unique()):
        raise SurgeryError(f'{name}: expected rising indices of channels, at least one')
    if channels[0] < 0 or channels[-1] >= size:
        raise SurgeryError(
            f'{name}: expected channels from 0 to {size - 1}, found '
            f'{int(channels[0])} to {int(channels[-1])}'
        )


def _dropped(group: ChannelGroup, kept: torch.Tensor) -> torch.Tensor:
    """Return (C,) bool: which channels of the group go."""
    dropped = torch.ones(group.size, dtype=torch.bool)
    dropped[kept] = False
    return dropped


def _restore_modes(net: nn.Module, original: nn.Module) -> None:
    """Undo what tracing has changed."""
    for module, like in zip(net.modules(), original.modules(), strict=True):
        module.training = like.training
    for parameter, like in zip(net.parameters(), original.parameters(), strict=True):
        parameter.requires_grad_(like.requires_grad)


def _filters(layer: nn.Module) -> int:
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
