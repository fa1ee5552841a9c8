# SPDX-License-Identifier: Apache-2.0
"""What each coupled channel is worth to each task: first-order Taylor importance.

A channel can be removed if the loss stays as it is when the channel's gate falls from 1 to 0. To
first order the loss changes by the sum of a dL/da over the outputs a of the BatchNorms behind the
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
from model_tools.compression.groups import ChannelGroup

TaskLosses = Callable[[nn.Module, Any], Mapping[str, Tensor]]
"""Runs a network on a batch and returns the loss of each task that the batch labels."""


class EvidenceError(ValueError):
    """The calibration batches do not say what every task needs."""


@dataclass(frozen=True)
class Evidence:
    """What calibration batches say of each channel; tensors are (C,), on the CPU."""

    importance: Mapping[str, Mapping[str, Tensor]]
    """By task, then group: mean over the batches that label the task of |first-order change|."""
    summed: Mapping[str, Tensor]
    """By group: the same of the sum of the tasks' losses, in which their signs may cancel."""
    conflict: Mapping[str, Tensor]
    """By group, 0..1: mean over the batches that label two tasks or more; 0 without any."""
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
    """Run forwards once and backwards once a task on each batch, in evaluation mode.

    The absolute value is taken batch by batch, as effects of opposite sign in two batches are
    effects all the same. Within a batch they cancel: use batches of 1 to 4 images.

    Args:
        net: Left as it was, its gradients too.
        groups: The channels in question.
        batches: What `losses` takes; each may label some of the tasks only.
        losses: Losses by task.
        tasks: Every task that the network serves.

    Raises:
        EvidenceError: A task is labelled nowhere or not among `tasks`, or a gradient is not
            finite.

    """
    modules = dict(net.named_modules())
    parameters = _parameters(modules, groups)
    totals = {group.name: _Totals(group.size, tasks) for group in groups}
    counts, comparable = dict.fromkeys(tasks, 0), 0
    with _examined(net, parameters.values()):
        for batch in batches:
            found = losses(net, batch)
            if unknown := sorted(set(found) - set(tasks)):
                raise EvidenceError(f'losses of {unknown}, expected some of {list(tasks)}')
            gradients = _gradients(found, parameters)
            for group in groups:
                changes = {t: first_order(group, modules, g) for t, g in gradients.items()}
                totals[group.name].add(changes, _conflict(group, modules, gradients))
            for task in found:
                counts[task] += 1
            comparable += len(found) > 1
    if missing := [task for task, count in counts.items() if count == 0]:
        raise EvidenceError(f'no calibration batch labels {missing}; give images with such labels')
    return _evidence(totals, counts, comparable)


def first_order(
    group: ChannelGroup, modules: Mapping[str, nn.Module], gradients: Mapping[str, Tensor]
) -> Tensor:
    """Return (C,): by how much a loss falls, to first order, if a channel's gates close.

    The gates are the group's norms. A group without any has its filters and their biases, for
    which the same identity holds, as convolutions are linear in them.

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


def filters(module: nn.Module, parameter: Tensor) -> Tensor:
    """Return a parameter of a layer, or its gradient, as one row for each output channel."""
    if isinstance(module, _ConvTransposeNd) and module.groups == 1 and parameter.dim() > 1:
        parameter = parameter.transpose(0, 1)
    return parameter.reshape(len(parameter), -1)


def normalise(importance: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Scale one task's importance by group to a mean of 1 over all channels of all groups."""
    channels = max(1, sum(len(values) for values in importance.values()))
    mean = float(sum(values.sum() for values in importance.values())) / channels
    return {name: values / (mean or 1.0) for name, values in importance.items()}


def safe_importance(importance: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return by group what each channel is worth to the task that needs it most.

    Args:
        importance: By task, then group; see `normalise`.

    """
    tasks = list(importance.values())
    return {name: torch.stack([task[name] for task in tasks]).amax(0) for name in tasks[0]}


def vetoed(importance: Mapping[str, Mapping[str, Tensor]], share: float) -> dict[str, Tensor]:
    """Say by group which channels are among the best `share` (0..1) of any task.

    Of channels that are worth the same, the last by group name and index are better.
    """
    names = sorted(next(iter(importance.values())))
    sizes = [len(next(iter(importance.values()))[name]) for name in names]
    marked = torch.zeros(sum(sizes), dtype=torch.bool)
    for task in importance.values():
        order = torch.cat([task[name] for name in names]).argsort(stable=True)
        marked[order[len(order) - round(share * len(order)) :]] = True
    return dict(zip(names, marked.split(sizes), strict=True))


class _Totals:
    """Sums over the batches for one group."""

    def __init__(self, size: int, tasks: Sequence[str]) -> None:
        self.importance = {task: torch.zeros(size) for task in tasks}
        self.summed = torch.zeros(size)
        self.conflict = torch.zeros(size)

    def add(self, changes: Mapping[str, Tensor], conflict: Tensor) -> None:
        for task, change in changes.items():
            self.importance[task] += change.abs().cpu()
        self.summed += torch.stack(list(changes.values())).sum(0).abs().cpu()
        self.conflict += conflict.cpu()


def _evidence(
    totals: Mapping[str, _Totals], counts: Mapping[str, int], comparable: int
) -> Evidence:
    for name, total in totals.items():
        for task, values in total.importance.items():
            if not values.isfinite().all():
                raise EvidenceError(f'the gradients of {task} by {name} are not finite')
    return Evidence(
        importance={
            task: {name: total.importance[task] / count for name, total in totals.items()}
            for task, count in counts.items()
        },
        summed={name: total.summed / ... for name, total in totals.items()},
        conflict={name: total.conflict / max(1, comparable) for name, total in totals.items()},
        batches=counts,
    )
