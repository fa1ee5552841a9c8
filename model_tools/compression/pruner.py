# SPDX-License-Identifier: Apache-2.0
"""One round of safe pruning: judge the channels on real images, choose, remove, recalibrate."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.swa_utils import update_bn

from model_tools.compression.config import CompressionConfig
from model_tools.compression.costs import Cost
from model_tools.compression.criteria import channel_scores
from model_tools.compression.groups import ChannelGroup, find_groups
from model_tools.compression.importance import Evidence, gather_evidence
from model_tools.compression.selection import Keep, check_reachable, meet_budget
from model_tools.compression.surgery import kept_channels, protected_modules, remove_channels
from model_tools.compression.task_losses import TASKS, PanopticLosses
from model_tools.data.augmentation.settings import Augmentation
from model_tools.data.batches import Batch, BatchSource
from model_tools.data.problems import DatasetError
from model_tools.networks.activations import with_activation
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.training.input import TrainingInput

RECALIBRATION_BATCH = 16


@dataclass(frozen=True)
class Pruned:
    """A network that has lost channels, and why those."""

    net: PanopticNet
    kept: Mapping[str, Tensor]
    """By layer: which filters of the teacher are left."""
    keep: Keep
    """By group: which channels of the network before this round are left."""
    evidence: Evidence


class Pruner:
    """Prunes networks of one architecture by one criterion and one kind of cost."""

    def __init__(self, config: CompressionConfig, cost: Cost, teacher: PanopticNet) -> None:
        """Prepare to prune a teacher, on its device, and what is left of it."""
        self._config, self._cost = config, cost
        self._device = next(teacher.parameters()).device
        width, height = config.training.input_wh
        self._example = torch.zeros(1, 3, height, width, device=self._device)
        self._sizes = {group.name: group.size for group in self._groups(teacher)}

    def check_reachable(self, teacher: PanopticNet, budget: float) -> None:
        """Raise BudgetError if all groups of a teacher at their floors cost more than `budget`."""
        groups = self._groups(teacher)
        costed = with_activation(teacher, self._config.activation or teacher.config.activation)

        def cost(keep: Keep) -> float:
            return self._cost(remove_channels(costed, groups, keep, self._example))

        check_reachable(self._sizes, self._config.widths, cost, budget)

    def check_calibration(self, data: TrainingInput) -> None:
        """Raise DatasetError if no calibration batch can be made, or none labels some task."""
        size, count = self._config.calibration_batch_size, len(self._source(data, 1))
        if count < size:
            raise DatasetError(
                f"'{data.data.root}': expected at least the {size} images of one calibration "
                f'batch, found {count} to learn from; add images or lower calibration_batch_size',
                kind='too_few',
            )
        labelled: set[str] = set()
        for batch in self._calibration(data):
            given = (
                any(batch.complete) or any(map(len, batch.boxes)),
                *batch.known.any((0, 2, 3)),
            )
            labelled |= {task for task, is_given in zip(TASKS, given, strict=True) if is_given}
            if len(labelled) == len(TASKS):
                return
        raise DatasetError(
            f"'{data.data.root}': no image that calibrates labels "
            f'{[task for task in TASKS if task not in labelled]}; add images that do, or raise '
            'calibration_batches'
        )

    def prune(
        self,
        net: PanopticNet,
        kept: Mapping[str, Tensor],
        data: TrainingInput,
        *,
        budget: float,
        spared: Collection[str] = (),
    ) -> Pruned:
        """Return a copy of a network that costs no more than `budget`.

        Args:
            net: On the device.
            kept: Which filters of the teacher its layers have; empty for the teacher itself.
            data: Whose images say what the channels do.
            budget: In the unit of the cost.
            spared: Groups that lose nothing.

        Raises:
            BudgetError: It cannot be reached.
            EvidenceError: The calibration images label no example of some task.

        """
        config = self._config
        groups = self._groups(net)
        # What the channels do is asked of the network as it is, what they cost of its student.
        costed = with_activation(net, config.activation or net.config.activation)
        evidence = gather_evidence(
            net, groups, self._calibration(data), PanopticLosses(config.training), tasks=TASKS
        )
        scores = channel_scores(
            config.criterion,
            net,
            groups,
            evidence,
            conflict_weight=config.conflict_weight,
            veto_share=config.veto_share,
            cost_power=config.cost_power,
            costs=self._channel_costs(costed, groups) if config.cost_power else None,
            seed=config.seed,
        )
        vetoed = any(values.isinf().any() for values in scores.values())
        held_by = [f'veto_share {config.veto_share:g}'] * vetoed
        held_by += ['the sparing of groups'] * bool(spared)
        scores |= {name: torch.full_like(scores[name], torch.inf) for name in spared}
        keep = meet_budget(
            scores,
            config.widths,
            lambda keep: self._cost(remove_channels(costed, groups, keep, self._example)),
            budget,
            sizes=self._sizes,
            held_by=' and '.join(held_by),
        )
        pruned = remove_channels(net, groups, keep, self._example)
        update_bn(self._images(data), pruned)
        return Pruned(
            net=pruned,
            kept=kept_channels(net, groups, keep, kept),
            keep=keep,
            evidence=evidence,
        )

    def _groups(self, net: PanopticNet) -> list[ChannelGroup]:
        return find_groups(net, self._example, protected=protected_modules(net))

    def _channel_costs(self, net: PanopticNet, groups: list[ChannelGroup]) -> dict[str, float]:
        """Return what a channel of each group costs: what about half of the group's save, shared.

        Only widths that can be chosen are tried: others can be slower than wider ones.
        """
        whole, costs = self._cost(net), {}
        for group in groups:
            half = self._config.widths.fit(group.size // 2, group.size, self._sizes[group.name])
            if half < group.size:
                keep = {group.name: torch.arange(half)}
                saved = whole - self._cost(remove_channels(net, groups, keep, self._example))
                costs[group.name] = saved / (group.size - half)
        # What saves nothing that can be measured, or cannot shrink, counts as the cheapest.
        least = min((cost for cost in costs.values() if cost > 0), default=1.0)
        return {group.name: max(costs.get(group.name, least), least) for group in groups}

    def _calibration(self, data: TrainingInput) -> Iterator[Batch]:
        source = self._source(data, self._config.calibration_batch_size)
        for step in range(min(len(source), self._config.calibration_batches)):
            yield source.batch(step)

    def _images(self, data: TrainingInput) -> Iterator[Tensor]:
        count = min(RECALIBRATION_BATCH, len(data.real))
        source = self._source(data, count)
        for step in range(min(len(source), -(-self._config.recalibration_images // count))):
            yield source.batch(step).images.float()

    def _source(self, data: TrainingInput, batch_size: int) -> BatchSource:
        """Return whole real pictures as the camera gives them, in random order."""
        training = self._config.training
        return BatchSource(
            data.real,
            None,
            input_wh=training.input_wh,
            augmentation=Augmentation(),
            batch_size=batch_size,
            repeats=training.repeats,
            seed=self._config.seed,
            device=self._device,
        )
