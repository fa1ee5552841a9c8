# SPDX-License-Identifier: Apache-2.0
"""From what a channel is worth to each task to what it is worth at all.

Importance here is by group, (C,) each; and by task where there are several.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def normalise(importance: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Scale one task's importance to a mean of 1 over all channels; zeros stay zeros."""
    every = torch.cat(list(importance.values()))
    mean = every.mean() if every.any() else 1.0
    return {name: values / mean for name, values in importance.items()}


def safe_importance(importance: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return what each channel is worth to the task that needs it most.

    A sum would drop a channel on which one task depends for the sake of one that all tasks use a
    little (reconstruction of arXiv 2511.05557).
    """
    tasks = list(importance.values())
    return {name: torch.stack([task[name] for task in tasks]).amax(0) for name in tasks[0]}


def vetoed(importance: Mapping[str, Mapping[str, Tensor]], share: float) -> dict[str, Tensor]:
    """Say, as bool, which channels are among the best `share` (0..1) of any task.

    Of channels worth the same, the last by group name and then by index are the better ones.
    """
    tasks = list(importance.values())
    names = sorted(tasks[0])
    sizes = [len(tasks[0][name]) for name in names]
    best = torch.zeros(sum(sizes), dtype=torch.bool)
    for task in tasks:
        order = torch.cat([task[name] for name in names]).argsort(stable=True)
        best[order[len(order) - round(share * len(order)) :]] = True
    return dict(zip(names, best.split(sizes), strict=True))
