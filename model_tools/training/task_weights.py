# SPDX-License-Identifier: Apache-2.0
"""Weigh the tasks against each other: by fixed factors, or by learned uncertainties."""

from __future__ import annotations

import torch
from torch import nn

from model_tools.training.config import TrainingConfig
from model_tools.training.losses import TaskLosses

PARTS = ('class', 'box', 'drivable', 'lane')
"""What the loss is the sum of; the first two belong to one task, detection."""


class TaskWeights(nn.Module):
    """
    The factors of the loss.

    With learned weights every task has a log variance s, and costs exp(-s) loss + s / 2 on top of
    the fixed factors: Kendall et al., arXiv 1705.07115. All processes see the same reduced
    losses, so they keep the same weights without an exchange of gradients.
    """

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        factors = (1.0, config.box_weight, config.drivable_weight, config.lane_weight)
        self.register_buffer('factors', torch.tensor(factors), persistent=False)
        self.log_variance: nn.Parameter | None = None
        if config.task_weights == 'learned':
            self.log_variance = nn.Parameter(torch.zeros(3))

    def forward(self, losses: TaskLosses) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss to minimise and its `PARTS` (4,) by fixed factors alone."""
        parts = self.factors * torch.stack(losses[:4])
        if self.log_variance is None:
            return parts.sum(), parts
        # A task without labels in this batch must not become more certain.
        s = self.log_variance * losses.labelled
        by_task = torch.stack((parts[0] + parts[1], parts[2], parts[3]))
        return (torch.exp(-s) * by_task + s / 2).sum(), parts

    def learned(self) -> dict[str, float]:
        """Return the learned weight of each task; nothing if they are fixed."""
        if self.log_variance is None:
            return {}
        weights = torch.exp(-self.log_variance.detach()).tolist()
        return dict(zip(('detection', 'drivable', 'lane'), weights, strict=True))
