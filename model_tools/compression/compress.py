# SPDX-License-Identifier: Apache-2.0
"""Compress a teacher: rounds of pruning and of tuning with distillation, each past a gate."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from model_tools.compression.config import CompressionConfig
from model_tools.compression.costs import Cost, Macs, Parameters, make_cost
from model_tools.compression.folder import CompressionFolder
from model_tools.compression.gate import GateError, fallen, flat_scores, most_hurt, task_of
from model_tools.compression.pruner import Pruner
from model_tools.export.release import release
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.training.checkpoint import load_checkpoint, load_network, save_weights
from model_tools.training.config import TrainingConfig
from model_tools.training.examination import Examiner
from model_tools.training.input import load_input
from model_tools.training.labels import load_labels
from model_tools.training.stopping import Stop
from model_tools.training.trainer import train

ATTEMPTS = 3
"""At one round, each sparing the groups that those before hurt most."""


def compress(config: CompressionConfig, out: Path, *, stop: Stop | None = None) -> Path | None:
    """
    Compress, or go on where `out` left off; return the student's model file, None if stopped.

    Raises:
        BudgetError: The budget cannot be reached.
        GateError: No attempt at a round leaves every task good enough.
    """
    folder = CompressionFolder(out)
    folder.begin(config)
    return _Compression(config, folder, stop or Stop()).go_on()


class _Compression:
    """The rounds, and what is written down of them."""

    def __init__(self, config: CompressionConfig, folder: CompressionFolder, stop: Stop) -> None:
        self.config, self.folder, self.stop = config, folder, stop
        self.device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
        self.teacher = load_network(Path(config.teacher)).to(self.device)
        self.training: TrainingConfig = replace(
            config.training,
            network=self.teacher.config,
            cache=config.training.cache or str(folder.cache),
        )
        data = load_input(
            self.training,
            load_labels(self.training),
            folder.cache,
            device=self.device,
            quiet=False,
        )
        if config.allowed_fall is not None and not data.holdout:
            raise GateError(
                'allowed_fall asks for a gate, but nothing is held out to score on: name groups '
                'by training.holdout_groups, or set allowed_fall=null'
            )
        self.examiner = Examiner(
            data.data,
            data.holdout,
            data.real.names,
            input_wh=self.training.input_wh,
            device=self.device,
        )
        example = torch.zeros(1, 3, *self.training.input_wh[::-1], device=self.device)
        self.cost = make_cost(config.budget, example, folder.latencies)
        self.costs: list[Cost] = [Parameters(), Macs(example)]
        if config.budget == 'latency':
            self.costs.append(self.cost)
        self.pruner = Pruner(config, data, self.cost, self.device)

    def go_on(self) -> Path | None:
        """Make the rounds that have not been made, and the model file."""
        teacher = self.folder.round(0)
        if teacher.read('accepted') is None:
            teacher.write('accepted', self._describe(self.teacher))
        parent = Path(self.config.teacher)
        for number in range(1, self.config.rounds + 1):
            while self.folder.round(number).read('accepted') is None:
                if not self._attempt(number, parent):
                    print('stopped: the same command goes on', file=sys.stderr)
                    return None
            parent = self.folder.round(number).tuned
        self._conclude(parent)
        return self.folder.model_file

    def _attempt(self, number: int, parent: Path) -> bool:
        """Prune and tune; accept the round or take it back. Return False if stopped before."""
        attempt, spared = self.folder.round(number), self.folder.spared(number)
        if (pruning := attempt.read('pruning')) is None:
            print(f'round {number} of {self.config.rounds}: pruning', file=sys.stderr)
            pruning = self._prune(number, parent, spared)
        train(self._tuning(number), attempt.tuning, devices=1, stop=self.stop)
        if not attempt.tuned.is_file():
            return False
        tuned = self._describe(load_network(attempt.tuned).to(self.device))
        if falls := self._falls(tuned):
            hurt = {group for score in falls for group in pruning['hurt'][task_of(score)]}
            self._take_back(number, falls, sorted(hurt - set(spared)))
        else:
            attempt.write('accepted', tuned)
        return True

    def _prune(self, number: int, parent: Path, spared: list[str]) -> dict[str, Any]:
        whole = self.folder.round(0).read('accepted') or {}
        share = self.config.keep ** (number / self.config.rounds)
        state, net = load_checkpoint(parent), load_network(parent).to(self.device)
        pruned = self.pruner.prune(
            net, state['kept'], budget=whole[self.config.budget] * share, spared=spared
        )
        attempt = self.folder.round(number)
        attempt.root.mkdir(parents=True, exist_ok=True)
        averaged = {name: tensor.cpu() for name, tensor in pruned.net.state_dict().items()}
        save_weights(
            attempt.pruned,
            {
                **state,
                'network': pruned.net.config.to_dict(),
                'averaged': averaged,
                'kept': pruned.kept,
            },
            {'pruned_from': hashlib.sha256(parent.read_bytes()).hexdigest()},
        )
        record = {
            **self._describe(pruned.net),
            'spared': spared,
            'calibration_batches': dict(pruned.evidence.batches),
            'widths': {name: len(kept) for name, kept in pruned.keep.items()},
            'hurt': most_hurt(pruned.evidence, pruned.keep),
        }
        attempt.write('pruning', record)
        return record

    def _tuning(self, number: int) -> TrainingConfig:
        """Return the settings of the training that follows a round's pruning."""
        config, pruned = self.config, self.folder.round(number).pruned
        distillation = config.training.distillation
        return replace(
            self.training,
            start=str(pruned),
            network=load_network(pruned).config,
            epochs=config.last_epochs if number == config.rounds else config.training.epochs,
            distillation=distillation and replace(distillation, teacher=config.teacher),
            score_every=0,
        )

    def _describe(self, net: PanopticNet) -> dict[str, Any]:
        """Return what a network costs and how good it is."""
        return {
            **{cost.name: cost(net) for cost in self.costs},
            'holdout': self.examiner.scores(net) if self.examiner.can_score else None,
        }

    def _falls(self, tuned: dict[str, Any]) -> dict[str, float]:
        if self.config.allowed_fall is None:
            return {}
        teacher = self.folder.round(0).read('accepted') or {}
        return fallen(
            flat_scores(teacher['holdout']),
            flat_scores(tuned['holdout']),
            allowed=self.config.allowed_fall,
        )

    def _take_back(self, number: int, falls: dict[str, float], spared: list[str]) -> None:
        told = ', '.join(f'{name} by {fall:.3f}' for name, fall in falls.items())
        self.folder.take_back(number, {'falls': falls, 'spared': spared})
        if len(self.folder.taken_back(number)) >= ATTEMPTS or not spared:
            raise GateError(
                f"'{self.folder.root}': round {number} was taken back {ATTEMPTS} times, the last "
                f'time since more than {self.config.allowed_fall} was lost: {told}; allow more, '
                'keep more, tune for longer, or take more rounds'
            )
        print(f'round {number} taken back: {told}; sparing {spared}', file=sys.stderr)

    def _conclude(self, tuned: Path) -> None:
        """Write the student with its origin, its model file, and the record of all rounds."""
        config, folder = self.config, self.folder
        state = load_checkpoint(tuned)
        teacher = Path(config.teacher)
        settings = {**config.to_dict(), 'teacher': teacher.name}
        del settings['training']
        compression = {
            'teacher_sha256': hashlib.sha256(teacher.read_bytes()).hexdigest(),
            'settings': settings,
            'distillation': state['training']['distillation'],
        }
        save_weights(folder.student, state, {**state['provenance'], 'compression': compression})
        rounds = [
            {
                'round': number,
                'taken_back': [
                    attempt.read('taken_back') for attempt in folder.taken_back(number)
                ],
                'pruned': folder.round(number).read('pruning'),
                'tuned': folder.round(number).read('accepted'),
            }
            for number in range(1, config.rounds + 1)
        ]
        folder.write_record(
            {**compression, 'teacher': folder.round(0).read('accepted'), 'rounds': rounds}
        )
        release(folder.student, Path(self.training.data), folder.model_file)
        print(folder.model_file)
