# SPDX-License-Identifier: Apache-2.0
"""Compress a teacher: rounds of pruning and of tuning with distillation, each past a gate."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from model_tools.compression.config import CompressionConfig
from model_tools.compression.costs import Cost, Macs, Parameters, make_cost
from model_tools.compression.folder import CompressionFolder
from model_tools.compression.gate import GateError, fallen, flat_scores, most_hurt, task_of
from model_tools.compression.latency import LatencyTable, engine_version
from model_tools.compression.pruner import Pruner
from model_tools.compression.selection import BudgetError
from model_tools.compression.task_losses import TASKS
from model_tools.data.label_set import LabelSet, load_label_set
from model_tools.data.readers import ReaderSettings, open_data
from model_tools.export.release import origin, release
from model_tools.export.summary import compare
from model_tools.networks.activations import with_activation
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.settings import ConfigError
from model_tools.training.checkpoint import (
    file_sha256,
    load_checkpoint,
    load_network,
    network_of,
    save_weights,
)
from model_tools.training.config import TrainingConfig
from model_tools.training.examination import Examiner
from model_tools.training.input import load_input
from model_tools.training.places import without_folders
from model_tools.training.start import load_teacher
from model_tools.training.stopping import Stop
from model_tools.training.trainer import train

FADE_SHARE = 0.3
"""Of the first round's tuning, if activations change."""
ATTEMPTS = 3
"""At one round, each sparing the groups that those before hurt most."""
TIMINGS = 20
"""Of teacher and student in turns, at the end."""


def compress(config: CompressionConfig, out: Path, *, stop: Stop | None = None) -> Path | None:
    """
    Compress, or go on where `out` left off; return the student's model file, None if stopped.

    Raises:
        ConfigError: `out` holds a run of something else, or was begun with other settings.
        BudgetError: The budget cannot be reached.
        GateError: No attempt at a round leaves every task good enough.
    """
    folder = CompressionFolder(out.resolve())
    folder.check(config)
    compression = _Compression(config, folder, stop or Stop())
    folder.begin(config)
    return compression.go_on()


class _Compression:
    """The rounds, and what is written down of them."""

    def __init__(self, config: CompressionConfig, folder: CompressionFolder, stop: Stop) -> None:
        """Load everything, so that what is missing is found before a round begins."""
        self.config, self.folder, self.stop = config, folder, stop
        device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
        labels = load_label_set(config.training.label_set)
        input_wh = config.training.input_wh
        self.teacher = load_teacher(Path(config.teacher), labels=labels.names).to(device)
        self.activation = config.activation or self.teacher.config.activation
        self.teacher_sha256 = file_sha256(Path(config.teacher))
        self.teacher_state = load_checkpoint(Path(config.teacher))
        self._check_teacher()
        engine_version(config.engine)  # which the end needs, whatever the budget
        _check_splits(config, labels)
        example = torch.zeros(1, 3, *input_wh[::-1], device=device)
        latencies = Path(config.latencies) if config.latencies else folder.latencies
        self.cost = make_cost(config.budget, example, latencies, config.engine)
        self.costs: list[Cost] = [Parameters(), Macs(example)]
        if isinstance(self.cost, LatencyTable):
            self.costs.append(self.cost)
            self.cost.measure(self.teacher, with_activation(self.teacher, self.activation))
        self.pruner = Pruner(config, self.cost, self.teacher)
        if not folder.has_begun:
            self.pruner.check_reachable(self.teacher, config.keep * self.cost(self.teacher))
        # Only now, as it writes the cache: what can be refused without it has been.
        cache = Path(config.training.cache or folder.cache)
        self.training: TrainingConfig = replace(
            config.training, network=self.teacher.config, cache=str(cache)
        )
        # On the CPU: the tuning puts its own copy where it trains.
        self.data = load_input(
            self.training,
            labels,
            cache,
            device=torch.device('cpu'),
            quiet=False,
        )
        self.pruner.check_calibration(self.data)
        self.examiner = Examiner(
            self.data.data,
            self.data.holdout,
            self.data.real.names,
            input_wh=input_wh,
            device=device,
        )
        self.reference = self._describe_teacher()

    def go_on(self) -> Path | None:
        """Make the rounds that have not been made, and the model file."""
        self.folder.round(0).write('accepted', self.reference)
        parent = Path(self.config.teacher)
        for number in range(1, self.config.rounds + 1):
            while self.folder.round(number).read('accepted') is None:
                if not self._attempt(number, parent):
                    print('stopped: the same command goes on', file=sys.stderr)
                    return None
            parent = self.folder.round(number).tuned
        if not self.folder.model_file.is_file():
            self._conclude(parent)
        return self.folder.model_file

    def _check_teacher(self) -> None:
        """Raise ConfigError if the settings ask for what the teacher does not allow."""
        config, own = self.config, self.teacher.config.activation
        if config.activation and own not in ('silu', config.activation):
            raise ConfigError(
                f'activation is {config.activation!r}, which SiLU can fade into; '
                f"'{config.teacher}' has {own!r}: leave activation out"
            )
        known = self.teacher_state['training']['holdout_groups']
        if learned := sorted(set(config.training.holdout_groups) - set(known)):
            raise ConfigError(
                f"training.holdout_groups {learned}: '{config.teacher}' has learned from them, "
                f'expected some of those that it held out: {list(known)}'
            )

    def _describe_teacher(self) -> dict[str, Any]:
        """Return its costs and scores, those of the first call if this is not the first."""
        known = self.folder.round(0).read('accepted') if self.folder.has_begun else None
        if known and known['sha256'] != self.teacher_sha256:
            raise ConfigError(
                f"'{self.folder.root}': begun with another teacher than '{self.config.teacher}' "
                'now holds; give that one, or another --out'
            )
        if (
            known
            and self.config.budget == 'latency'
            and known['latency'] != self.cost(self.teacher)
        ):
            raise ConfigError(
                f"'{self.folder.root}': its layers have been measured anew since it was begun; "
                'give the file of latencies that it was begun with, or another --out'
            )
        if known:
            return known
        found = {'sha256': self.teacher_sha256, **self._describe(self.teacher)}
        if self.config.allowed_fall is not None:
            scored = {task_of(name) for name in flat_scores(found['holdout'])}
            if missing := sorted(set(TASKS) - scored):
                raise GateError(
                    f'allowed_fall asks for a gate, but no image held out labels {missing}: hold '
                    'out other groups, or set allowed_fall=null'
                )
        return found

    def _attempt(self, number: int, parent: Path) -> bool:
        """Prune and tune; accept the round or take it back. Return False if stopped before."""
        attempt, spared = self.folder.round(number), self.folder.spared(number)
        self._check_attempts(number)
        if (pruning := attempt.read('pruning')) is None:
            if self.stop.due():
                return False
            print(f'round {number} of {self.config.rounds}: pruning', file=sys.stderr)
            pruning = self._prune(number, parent, spared)
        train(self._tuning(number), attempt.tuning, devices=1, stop=self.stop)
        if not attempt.tuned.is_file():
            return False
        tuned = self._describe(load_network(attempt.tuned).to(self._device))
        if falls := self._falls(tuned):
            hurt = {group for score in falls for group in pruning['hurt'][task_of(score)]}
            told = ', '.join(f'{name} by {fall:.3f}' for name, fall in falls.items())
            print(f'round {number} taken back: it cost {told}', file=sys.stderr)
            self.folder.take_back(number, {'falls': falls, 'spared': sorted(hurt - set(spared))})
        else:
            attempt.write('accepted', tuned)
        return True

    def _check_attempts(self, number: int) -> None:
        failed = self.folder.taken_back(number)
        last = (failed[-1].read('taken_back') or {}) if failed else {}
        if len(failed) >= ATTEMPTS or (failed and not last['spared']):
            told = ', '.join(f'{name} by {fall:.3f}' for name, fall in last['falls'].items())
            raise GateError(
                f"'{self.folder.root}': round {number} was taken back {len(failed)} times, for "
                f'more than {self.config.allowed_fall} lost, at last {told}; allow more, keep '
                'more, tune for longer or take more rounds, and give another --out'
            )

    def _prune(self, number: int, parent: Path, spared: list[str]) -> dict[str, Any]:
        share = self.config.keep ** (number / self.config.rounds)
        state = load_checkpoint(parent)
        net = network_of(state, parent).to(self._device)
        kept = state['kept'] if number > 1 else {}
        budget = self.reference[self.config.budget] * share
        try:
            pruned = self.pruner.prune(net, kept, self.data, budget=budget, spared=spared)
        except BudgetError as error:
            if not spared:
                raise
            raise GateError(
                f'round {number} cannot spare what those taken back lost most, '
                f'{", ".join(spared)}: {error}; or allow more, or tune for longer'
            ) from error
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
            {'pruned_from': file_sha256(parent)},
        )
        record = {
            **self._costs(with_activation(pruned.net, self.activation)),
            'holdout': self._scores(pruned.net),
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
        network = load_network(pruned).config
        return replace(
            self.training,
            start=str(pruned),
            network=replace(network, activation=self.activation),
            epochs=config.last_epochs if number == config.rounds else config.training.epochs,
            fade_share=FADE_SHARE if network.activation != self.activation else 0.0,
            distillation=distillation and replace(distillation, teacher=config.teacher),
            score_every=0,
        )

    def _describe(self, net: PanopticNet) -> dict[str, Any]:
        """Return what a network costs and how good it is."""
        return {**self._costs(net), 'holdout': self._scores(net)}

    def _costs(self, net: PanopticNet) -> dict[str, float]:
        return {cost.name: cost(net) for cost in self.costs}

    def _scores(self, net: PanopticNet) -> dict[str, Any] | None:
        return self.examiner.scores(net) if self.examiner.can_score else None

    def _falls(self, tuned: dict[str, Any]) -> dict[str, float]:
        if self.config.allowed_fall is None:
            return {}
        return fallen(
            flat_scores(self.reference['holdout']),
            flat_scores(tuned['holdout']),
            allowed=self.config.allowed_fall,
        )

    def _conclude(self, tuned: Path) -> None:
        """Write the student with its origin, the record of all rounds, and the model file."""
        config, folder = self.config, self.folder
        state = load_checkpoint(tuned)
        compression = {
            'teacher_sha256': self.teacher_sha256,
            'teacher_provenance': origin(Path(config.teacher), self.teacher_state),
            'settings': {
                **config.to_dict(),
                'teacher': Path(config.teacher).name,
                'latencies': Path(config.latencies).name,
                'training': without_folders(config.training.to_dict()),
            },
        }
        save_weights(folder.student, state, {**state['provenance'], 'compression': compression})
        nets = [self.teacher.cpu(), load_network(folder.student)]
        teacher_ms, student_ms = compare(
            nets, self.training.input_wh, engine=config.engine, threads=1, repeats=TIMINGS
        )
        folder.write_record(
            {
                **compression,
                'teacher': self.reference,
                'rounds': [folder.describe_round(n) for n in range(1, config.rounds + 1)],
                'measured_ms': {'teacher': teacher_ms, 'student': student_ms},
            }
        )
        share = student_ms / teacher_ms
        print(f"the file of the student takes {share:.2f} of its teacher's time", file=sys.stderr)
        # Last: who finds it finds all.
        release(folder.student, Path(self.training.data), folder.model_file)
        print(folder.model_file)

    @property
    def _device(self) -> torch.device:
        return next(self.teacher.parameters()).device


def _check_splits(config: CompressionConfig, labels: LabelSet) -> None:
    """Raise GateError or DatasetError if there is nothing to score a student on."""
    if config.allowed_fall is not None and not config.training.holdout_groups:
        raise GateError(
            'allowed_fall asks for a gate, but nothing is held out to score on: name groups '
            'by training.holdout_groups, or set allowed_fall=null'
        )
    open_data(Path(config.training.data), ReaderSettings(labels=labels)).names('val')
