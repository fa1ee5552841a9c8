# SPDX-License-Identifier: Apache-2.0
"""The network in training, and how one batch changes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from model_tools.compression.adapters import Adapted, Answer
from model_tools.compression.distillation import Distiller
from model_tools.data.batches import Batch
from model_tools.networks.activations import set_temperature
from model_tools.networks.heads import cell_centres
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.training.common_norm import share_batchnorms
from model_tools.training.config import TrainingConfig
from model_tools.training.losses import Reduce, batch_losses
from model_tools.training.optimisation import (
    AveragedNet,
    make_optimizer,
    restore_optimizer,
    set_rate,
)
from model_tools.training.reduction import sum_over_processes
from model_tools.training.task_weights import PARTS, TaskWeights


class NonFiniteLossError(ValueError):
    """The loss or its gradient became NaN or infinite."""


class Learner:
    """Network, averaged network, task weights, optimiser, and what there is of a teacher."""

    def __init__(
        self,
        fabric: Fabric,
        config: TrainingConfig,
        net: PanopticNet,
        warm_started: list[str],
        distiller: Distiller | None = None,
    ) -> None:
        """Take over a network that is on the device of `fabric`, as its teacher is."""
        self.fabric, self.config = fabric, config
        self.averaged = AveragedNet(net, config.ema_decay)
        self.task_weights = TaskWeights(config).to(fabric.device)
        if fabric.world_size > 1:
            share_batchnorms(net)
        self._net = net
        self._warm_started = warm_started
        self._distiller = distiller
        adapters = distiller.adapters if distiller else nn.ModuleDict()
        extra = nn.ModuleList((self.task_weights, adapters))
        optimizer = make_optimizer(net, extra, config, warm_started)
        self._adapted = Adapted(net, adapters)
        self._distributed, self._optimizer = fabric.setup(self._adapted, optimizer)
        self._cells = cell_centres(config.input_wh[1], config.input_wh[0], fabric.device)

    def learn(
        self, batch: Batch, step: int, *, rate_factor: float, progress: float = 0.0
    ) -> dict[str, float]:
        """Make a step; return what it is made of, which is the same in all processes.

        Args:
            batch: What to learn from.
            step: Number of the step.
            rate_factor: Share of the learning rate.
            progress: Share of the run that is over, 0..1.

        Returns:
            The loss by part, distance from the teacher and its weight where there is one, the
            loss to minimise, and the norm of its gradient.

        Raises:
            NonFiniteLossError: One of them is NaN or infinite; no weight was changed.

        """
        self._distributed.train()
        loss, parts = self._loss(self._distributed, batch, progress, sum_over_processes)
        self._optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        norm = self.fabric.clip_gradients(
            self._distributed,
            self._optimizer,
            max_norm=self.config.clip_norm,
            error_if_nonfinite=False,
        )
        told = {**parts, 'loss': loss, 'gradient': norm}
        values = dict(zip(told, torch.stack(list(told.values())).tolist(), strict=True))
        if bad := {name: value for name, value in values.items() if not math.isfinite(value)}:
            raise NonFiniteLossError(f'{bad} at step {step}')
        set_rate(self._optimizer, rate_factor)
        self._optimizer.step()
        self.averaged.update(self._net, step)
        return values

    def fade(self, share: float) -> None:
        """Let SiLU have become ReLU by a share, from 0; 1 and more: altogether."""
        for net in (self._net, self.averaged.net):
            set_temperature(net, max(0.0, 1.0 - share))

    def attempt(self, batch: Batch) -> None:
        """Need the memory of a step on this batch, without the other processes."""
        self._optimizer.zero_grad(set_to_none=True)
        self._adapted.eval()  # a common BatchNorm would wait for them

        def forward(images: torch.Tensor) -> Answer:
            with self.fabric.autocast():
                return self._adapted(images)

        loss, _ = self._loss(forward, batch, 0.0, lambda sums: sums)
        torch.autograd.grad(loss, list(self._adapted.parameters()))

    def _loss(
        self,
        forward: Callable[[torch.Tensor], Answer],
        batch: Batch,
        progress: float,
        reduce: Reduce,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the loss to minimise, and what it is made of."""
        images = batch.images.float()
        answer = forward(images)
        losses = batch_losses(
            answer.output,
            batch,
            self._cells,
            lane_miss_weight=self.config.lane_miss_weight,
            reduce=reduce,
        )
        loss, by_part = self.task_weights(losses)
        parts = dict(zip(PARTS, by_part, strict=True))
        if self._distiller is None:
            return loss, parts
        with self.fabric.autocast():
            lesson = self._distiller.ask(images)
        distance = self._distiller.distance(answer, lesson, reduce=reduce)
        weight = self._distiller.weight(distance, loss, progress)
        parts |= {'distillation': distance, 'distillation_weight': loss.new_tensor(weight)}
        return loss + weight * distance, parts

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds of the learner."""
        return {
            'weights': self._net.state_dict(),
            'averaged': self.averaged.net.state_dict(),
            'optimizer': self._optimizer.state_dict(),
            'task_weights': self.task_weights.state_dict(),
            'warm_started': self._warm_started,
            **({'distillation': self._distiller.state()} if self._distiller else {}),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state."""
        self._net.load_state_dict(state['weights'])
        self.averaged.net.load_state_dict(state['averaged'])
        restore_optimizer(self._optimizer, state['optimizer'])
        self.task_weights.load_state_dict(state['task_weights'])
        if self._distiller:
            self._distiller.restore(state['distillation'])
