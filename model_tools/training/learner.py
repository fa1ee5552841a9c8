# SPDX-License-Identifier: Apache-2.0
"""The network in training, and how one batch changes it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from model_tools.data.batches import Batch
from model_tools.networks.heads import cell_centres
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.training.config import TrainingConfig
from model_tools.training.losses import batch_losses
from model_tools.training.optimisation import AveragedNet, make_optimizer, set_rate
from model_tools.training.reduction import sum_over_processes
from model_tools.training.task_weights import PARTS, TaskWeights

VALUES = (*PARTS, 'loss', 'gradient')
"""What a step tells: the loss by part, the loss to minimise, the norm of its gradient."""


class NonFiniteLossError(ValueError):
    """The loss or its gradient became NaN or infinite."""


class Learner:
    """Network, averaged network, task weights and optimiser."""

    def __init__(
        self, fabric: Fabric, config: TrainingConfig, net: PanopticNet, warm_started: list[str]
    ) -> None:
        """Take over a network that is on the device of `fabric`."""
        self.fabric, self.config = fabric, config
        self.averaged = AveragedNet(net, config.ema_decay)
        self.task_weights = TaskWeights(config).to(fabric.device)
        if fabric.world_size > 1 and fabric.device.type == 'cuda':
            net = nn.SyncBatchNorm.convert_sync_batchnorm(net)
        self._net = net
        self._warm_started = warm_started
        optimizer = make_optimizer(net, self.task_weights, config, warm_started)
        self._distributed_net, self._optimizer = fabric.setup(net, optimizer)
        self._cells = cell_centres(config.input_wh[1], config.input_wh[0], fabric.device)

    def learn(self, batch: Batch, step: int, *, rate_factor: float) -> dict[str, float]:
        """Make a step; return its `VALUES`, which are the same in all processes.

        Raises:
            NonFiniteLossError: One of them is NaN or infinite; no weight was changed.
        """
        self._distributed_net.train()
        output = self._distributed_net(batch.images.float())
        losses = batch_losses(
            output,
            batch,
            self._cells,
            lane_miss_weight=self.config.lane_miss_weight,
            reduce=sum_over_processes,
        )
        loss, parts = self.task_weights(losses)
        self._optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        norm = self.fabric.clip_gradients(
            self._distributed_net,
            self._optimizer,
            max_norm=self.config.clip_norm,
            error_if_nonfinite=False,
        )
        values = dict(zip(VALUES, torch.stack((*parts, loss, norm)).tolist(), strict=True))
        if bad := {name: value for name, value in values.items() if not math.isfinite(value)}:
            raise NonFiniteLossError(f'{bad} at step {step}')
        set_rate(self._optimizer, rate_factor)
        self._optimizer.step()
        self.averaged.update(self._net, step)
        return values

    def attempt(self, batch: Batch) -> None:
        """Need the memory of a step on this batch, without the other processes."""
        self._optimizer.zero_grad(set_to_none=True)
        self._net.eval()  # a synchronised BatchNorm would wait for them
        with self.fabric.autocast():
            output = self._net(batch.images.float())
        losses = batch_losses(
            output,
            batch,
            self._cells,
            lane_miss_weight=self.config.lane_miss_weight,
            reduce=lambda sums: sums,
        )
        loss, _ = self.task_weights(losses)
        torch.autograd.grad(loss, list(self._net.parameters()))

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds of the learner."""
        return {
            'weights': self._net.state_dict(),
            'averaged': self.averaged.net.state_dict(),
            'optimizer': self._optimizer.state_dict(),
            'task_weights': self.task_weights.state_dict(),
            'warm_started': self._warm_started,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state."""
        self._net.load_state_dict(state['weights'])
        self.averaged.net.load_state_dict(state['averaged'])
        self._optimizer.load_state_dict(state['optimizer'])
        self.task_weights.load_state_dict(state['task_weights'])
