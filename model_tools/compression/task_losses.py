# SPDX-License-Identifier: Apache-2.0
"""The losses of a PanopticNet, task by task."""

from __future__ import annotations

from torch import Tensor, nn

from model_tools.data.batches import Batch
from model_tools.networks.heads import cell_centres
from model_tools.training.config import TrainingConfig
from model_tools.training.losses import batch_losses

TASKS = ('detection', 'drivable', 'lane')


class PanopticLosses:
    """Losses of a batch by task, weighted by the fixed factors of the training."""

    def __init__(self, config: TrainingConfig) -> None:
        self._config = config

    def __call__(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return a scalar for each of `TASKS` that the batch labels."""
        config = self._config
        height, width = batch.images.shape[2:]
        losses = batch_losses(
            net(batch.images.float()),
            batch,
            cell_centres(height, width, batch.images.device),
            lane_miss_weight=config.lane_miss_weight,
            reduce=lambda sums: sums,
        )
        by_task = (
            losses.classes + config.box_weight * losses.box,
            config.drivable_weight * losses.drivable,
            config.lane_weight * losses.lane,
        )
        labelled = losses.labelled.tolist()
        return {t: v for t, v, given in zip(TASKS, by_task, labelled, strict=True) if given}
