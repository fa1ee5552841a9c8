# SPDX-License-Identifier: Apache-2.0
"""What each coupled channel is worth to each task: first-order Taylor importance.

A channel can go if the loss stays as it is when the channel's gate falls from 1 to 0. To first
order the loss then changes by the sum of a dL/da over the outputs a of the BatchNorms behind the
channel, which equals gamma dL/dgamma + beta dL/dbeta (arXiv 1906.10771): no hooks are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd

from model_tools.compression.conflict import conflict
from model_tools.compression.groups import ChannelGroup, Member

TaskLosses = Callable[[nn.Module, Any], Mapping[str, Tensor]]
"""Runs a network on a batch and returns the loss of each task that the batch labels."""


class EvidenceError(ValueError):
    """The calibration batches do not say what every channel is worth to every task."""


@dataclass(frozen=True)
class Evidence:
    """What calibration batches say of the channels; each tensor is (C,), on the CPU."""

    importance: Mapping[str, Mapping[str, Tensor]]
    """By task, then group: mean over the batches that label the task of |first-order change|."""
    summed: Mapping[str, Tensor]
    """By group: the same for the sum of the tasks' losses, within which their signs cancel."""
    conflict: Mapping[str, Tensor]
    """By group, 0..1: mean over the batches that label at least two tasks; 0 without any."""
    batches: Mapping[str, int]
    """By task: how many batches label it."""


def gather_evidence(
    net: nn.Module,
    groups: Sequence[ChannelGroup],
    batches: Iterable[Any],
    losses: TaskLosses,
    *,
    tasks: Sequence[str],
) -> Evidence:
    """Run once forwards, and once backwards for each task, on each batch in evaluation mode.

    The absolute value is taken batch by batch, so that effects of opposite sign in two batches
    both count. Within a batch they cancel: use batches of 1 to 4 images.

    Args:
        net: Left as it was; its gradients are not touched.
        groups: The channels in question.
        batches: What `losses` takes; each may label some of the tasks only.
        losses: Losses by task.
        tasks: Every task that the network serves.

    Raises:
        EvidenceError: There is no group, a task is labelled nowhere or not one of `tasks`, or an
            importance is not finite.

    """
    if not groups:
        raise EvidenceError('no channel group to judge: fewer modules must be protected')
    modules = dict(net.named_modules())
    parameters = _parameters(modules, groups)
    importance = {task: _Mean() for task in tasks}
    summed, opposed = _Mean(), _Mean()
    with _examined(net, parameters.values()):
        for batch in batches:
            gradients = _gradients(losses(net, batch), parameters)
            if unknown := sorted(set(gradients) - set(tasks)):
                raise EvidenceError(f'losses of {unknown}, expected only {list(tasks)}')
            changes = {
                task: torch.cat([first_order(group, modules, by_name) for group in groups])
                for task, by_name in gradients.items()
            }
            for task, change in changes.items():
                importance[task].add(change.abs())
            if changes:
                summed.add(torch.stack(list(changes.values())).sum(0).abs())
            if len(changes) > 1:
                opposed.add(torch.cat([_conflict(g, modules, gradients) for g in groups]))
    if missing := [task for task, mean in importance.items() if not mean.count]:
        raise EvidenceError(f'no calibration batch labels {missing}: add images that do')
    if wild := [task for task, mean in importance.items() if not mean.value.isfinite().all()]:
        raise EvidenceError(f'the gradients of {wild} are not finite: check the weights')

    def by_group(mean: _Mean) -> dict[str, Tensor]:
        values = mean.value.cpu() if mean.count else torch.zeros(sum(g.size for g in groups))
        parts = values.split([group.size for group in groups])
        return {group.name: part for group, part in zip(groups, parts, strict=True)}

    return Evidence(
        importance={task: by_group(mean) for task, mean in importance.items()},
        summed=by_group(summed),
        conflict=by_group(opposed),
        batches={task: mean.count for task, mean in importance.items()},
    )


def first_order(
    group: ChannelGroup, modules: Mapping[str, nn.Module], gradients: Mapping[str, Tensor]
) -> Tensor:
    """Return (C,): by how much a loss falls, to first order, when a channel's gates close.

    The gates are the group's norms; for channels that come to none, as in one term of a sum, they
    are the filters and their biases, of which convolutions are as linear a function.

    Args:
        group: The channels.
        modules: By name.
        gradients: Of the loss, by name of the parameter.

    """
    changes = []
    for member in _gates(group):
        module = modules[member.module]
        for name, parameter in module.named_parameters(member.module, recurse=False):
            change = filters(module, parameter.detach() * gradients[name]).sum(1)
            changes.append(change[member.index])
    return torch.stack(changes).sum(0)


def filters(module: nn.Module, values: Tensor) -> Tensor:
    """Return a parameter of a layer, or its gradient, as one row an output channel."""
    if isinstance(module, _ConvTransposeNd) and module.groups == 1 and values.dim() > 1:
        values = values.transpose(0, 1)
    return values.reshape(len(values), -1)


def _conflict(
    group: ChannelGroup,
    modules: Mapping[str, nn.Module],
    gradients: Mapping[str, Mapping[str, Tensor]],
) -> Tensor:
    """Return (C,): the conflict about all filters of a channel taken as one vector."""
    rows = [
        torch.cat(
            [
                filters(modules[m.module], by_name[f'{m.module}.weight'])[m.index]
                for m in group.members
                if m.side == 'out'
            ],
            dim=1,
        )
        for by_name in gradients.values()
    ]
    return conflict(torch.stack(rows))


def _gates(group: ChannelGroup) -> list[Member]:
    norms = [m for m in group.members if m.side == 'norm']
    return [
        m for m in group.members if m.side == 'norm' or (m.side == 'out' and (m.bare or not norms))
    ]


def _parameters(
    modules: Mapping[str, nn.Module], groups: Sequence[ChannelGroup]
) -> dict[str, nn.Parameter]:
    """Return all parameters of norms and filters by name."""
    members = (m for group in groups for m in group.members if m.side != 'in')
    return {
        name: parameter
        for member in members
        for name, parameter in modules[member.module].named_parameters(
            member.module, recurse=False
        )
    }


def _gradients(
    losses: Mapping[str, Tensor], parameters: Mapping[str, nn.Parameter]
) -> dict[str, dict[str, Tensor]]:
    """Return the gradients by task, then parameter; zero where a task does not reach."""
    gradients = {}
    for task, loss in losses.items():
        found = torch.autograd.grad(
            loss, list(parameters.values()), retain_graph=True, materialize_grads=True
        )
        gradients[task] = dict(zip(parameters, found, strict=True))
    return gradients


@contextmanager
def _examined(net: nn.Module, parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Have a network in evaluation mode and its parameters, even frozen ones, give gradients."""
    modes = {module: module.training for module in net.modules()}
    frozen = [parameter for parameter in parameters if not parameter.requires_grad]
    try:
        net.eval()
        for parameter in frozen:
            parameter.requires_grad_(True)
        with torch.enable_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for parameter in frozen:
            parameter.requires_grad_(False)


class _Mean:
    """A mean over batches."""

    def __init__(self) -> None:
        self.value, self.count = torch.zeros(()), 0

    def add(self, values: Tensor) -> None:
        self.count += 1
        self.value = self.value + (values - self.value) / self.count
