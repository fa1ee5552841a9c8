# SPDX-License-Identifier: Apache-2.0
"""Coupled channel groups: the channels that can only be removed together.

A residual sum ties the filters of all its terms; a concatenation shifts the channels that a
following layer reads. Torch-Pruning traces both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import torch
import torch_pruning
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

Side = Literal['out', 'norm', 'in']

FILTERED = (nn.modules.conv._ConvNd, nn.Linear)
"""Layers that make channels: each of their filters is one."""

SPLITS = (torch_pruning.ops.OPTYPE.SPLIT, torch_pruning.ops.OPTYPE.UNBIND)


class GroupError(ValueError):
    """A network cannot be divided into coupled channel groups as asked."""


@dataclass(frozen=True)
class Member:
    """What one layer has to do with the channels of a group."""

    module: str
    """Name in `net.named_modules()`."""
    side: Side
    """Filters of a layer, scale and shift of a BatchNorm, or inputs of a following layer."""
    index: torch.Tensor
    """(C,) int64: channel i of the group is channel `index[i]` of the module."""
    bare: bool = False
    """Whether it makes channels that come to no BatchNorm before the next layer reads them."""


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that live or die together, in all layers that they pass through.

    A layer that reads them several times, as behind a concatenation with itself, is a member as
    often.
    """

    name: str
    """Of the first member by name that makes the channels: the same in every round."""
    members: tuple[Member, ...]
    size: int
    """C, the number of channels."""


def find_groups(
    net: nn.Module, example: torch.Tensor, *, protected: Collection[str] = ()
) -> list[ChannelGroup]:
    """Return the groups of a network that may lose channels, ordered by name.

    Args:
        net: Any traceable network; it stays as it is.
        example: What to trace it with, on its device.
        protected: Modules, or whose modules, keep their outputs, with all that is tied to them.

    Raises:
        GroupError: A protected name matches nothing, or channels are tied in a way that has no
            one-to-one index.

    """
    traced = deepcopy(net)
    graph = dependency_graph(traced, example)
    names = {module: name for name, module in traced.named_modules()}
    found = (
        _read_group(group, names)
        for group in graph.get_all_groups(_protected_modules(traced, protected), FILTERED)
    )
    return sorted(found, key=lambda group: group.name)


def dependency_graph(net: nn.Module, example: torch.Tensor) -> torch_pruning.DependencyGraph:
    """Trace a network, which is left in evaluation mode with gradients wanted everywhere."""
    net.eval().requires_grad_(True)
    with torch.enable_grad():
        # As a tuple: a bare tensor would first be tried as one argument an image.
        return torch_pruning.DependencyGraph().build_dependency(net, (example,), verbose=False)


def _protected_modules(net: nn.Module, protected: Collection[str]) -> list[nn.Module]:
    chosen: list[nn.Module] = []
    for wanted in protected:
        inside = [m for n, m in net.named_modules() if f'{n}.'.startswith(f'{wanted}.')]
        if not inside:
            raise GroupError(
                f'protected module {wanted!r} is not in the network, whose parts are '
                f'{[name for name, _ in net.named_children()]}'
            )
        chosen += inside
    return chosen


def _read_group(
    group: torch_pruning.dependency.Group, names: dict[nn.Module, str]
) -> ChannelGroup:
    size = len(group[0].idxs)
    root = names[group[0].dep.target.module]
    if any(item.dep.target.type in SPLITS for item in group.items):
        raise GroupError(
            f'channels of {root} go through a split, the parts of which tracing can mix up: write '
            f'it as parallel layers, or add {root} to the protected modules'
        )
    members = [member for item in group.items for member in _members(item, names, size)]
    members.sort(key=lambda member: (member.module, member.side, int(member.index[0])))
    name = min(member.module for member in members if member.side == 'out')
    return ChannelGroup(name, tuple(members), size)


def _side(dependency: torch_pruning.dependency.Dependency) -> Side | None:
    """Return what a dependency removes; None if nothing that has weights of ours to judge."""
    module = dependency.target.module
    if isinstance(module, _BatchNorm) and module.affine:
        return 'norm'
    if not isinstance(module, FILTERED):
        return None
    # A depthwise convolution has one handler for both sides: a channel read is a channel made.
    return 'in' if dependency.handler.__name__ == 'prune_in_channels' else 'out'


def _members(
    item: torch_pruning._helpers.GroupItem, names: dict[nn.Module, str], size: int
) -> Iterator[Member]:
    """Yield one member for each time that a layer meets the whole group."""
    side, module = _side(item.dep), item.dep.target.module
    if side is None:
        return
    name = names[module]
    if getattr(module, 'groups', 1) not in (1, getattr(module, 'out_channels', 1)):
        raise GroupError(
            f'{name} has {module.groups} groups of channels, which cannot lose single ones: add '
            'it, and what makes the channels that it reads, to the protected modules'
        )
    # A depthwise convolution only passes on what others make.
    bare = side == 'out' and getattr(module, 'groups', 1) == 1 and not _normed(item.dep.target)
    places: dict[int, list[int]] = defaultdict(list)
    for root, own in zip(item.root_idxs, item.idxs, strict=True):
        places[root].append(own)
    if len({len(own) for own in places.values()}) != 1 or len(places) != size:
        raise GroupError(
            f'{name} shares only some of its channels with the others of its group, such as '
            'behind a split: add it to the protected modules'
        )
    for column in zip(*(places[root] for root in range(size)), strict=True):
        yield Member(name, side, torch.tensor(column), bare)


def _normed(node: torch_pruning.dependency.Node) -> bool:
    """Return whether what a layer makes comes to a BatchNorm before another layer reads it."""
    waiting, seen = list(node.outputs), set()
    while waiting:
        after = waiting.pop()
        if isinstance(after.module, _BatchNorm):
            return True
        if after not in seen and not isinstance(after.module, FILTERED):
            seen.add(after)
            waiting += after.outputs
    return False
