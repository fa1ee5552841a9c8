# SPDX-License-Identifier: Apache-2.0
"""Train a PanopticNet: one folder a run, resumable at every step."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from tqdm import tqdm

from model_tools.data.batches import Batch, BatchSource, plain_batch
from model_tools.data.label_set import LabelSet
from model_tools.networks.activations import fade
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.networks.rounding import round_in_training
from model_tools.settings import ConfigError
from model_tools.training.checkpoint import CheckpointError
from model_tools.training.config import TrainingConfig
from model_tools.training.examination import Examiner
from model_tools.training.input import load_input
from model_tools.training.labels import load_labels
from model_tools.training.learner import Learner, NonFiniteLossError
from model_tools.training.memory import (
    BatchTooLargeError,
    enough_memory,
    is_out_of_memory,
    largest_fitting,
)
from model_tools.training.optimisation import rate_factor
from model_tools.training.processes import make_fabric, part, together
from model_tools.training.reduction import sum_over_processes
from model_tools.training.run_folder import RunFolder
from model_tools.training.start import Beginning, adapt, begin, begin_distillation
from model_tools.training.stopping import Stop
from model_tools.training.tally import add_step, means, speed
from model_tools.training.task_weights import PARTS

SAVE_SECONDS = 300.0
"""How much work a power cut may cost."""
_NOT_RESTORABLE = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)
"""What torch raises where it is given the state of something else."""


def train(
    config: TrainingConfig,
    out: Path,
    *,
    devices: int | None = None,
    nodes: int | None = None,
    stop_after: int | None = None,
    stop: Stop | None = None,
) -> Path:
    """
    Train, or go on where `out` left off; return the path of the last checkpoint.

    Args:
        config: Settings; those of the run if there is one in `out`.
        out: Folder of the run.
        devices: Processes on this machine; all GPUs by default.
        nodes: Machines, each of which gets the same call and sees the same `out`.
        stop_after: Last epoch of this call.
        stop: What else may end this call before the end of the run.
    """
    labels = load_labels(config.label_set, config.network)
    if stop_after is not None and stop_after < 1:
        raise ConfigError(f'--stop-after {stop_after}: expected an epoch of at least 1')
    fabric = make_fabric(config.precision, devices, nodes)
    if config.batch_size % fabric.world_size:
        raise ConfigError(
            f'batch_size is {config.batch_size}, expected a multiple of the {fabric.world_size} '
            'processes'
        )
    with RunFolder(out) as folder, together(), enough_memory(fabric.device):
        state = folder.resume(config)
        fabric.launch()
        _Run(fabric, config, folder, labels, state).go_on(
            stop or Stop(), config.epochs if stop_after is None else stop_after
        )
        part(fabric)
    return folder.checkpoint


class _Run:
    """A run from where it was left off: the loop, and what is written down of it."""

    def __init__(
        self,
        fabric: Fabric,
        config: TrainingConfig,
        folder: RunFolder,
        labels: LabelSet,
        state: Mapping[str, Any] | None,
    ) -> None:
        self.fabric, self.config, self.folder = fabric, config, folder
        torch.manual_seed(config.seed)
        net = PanopticNet(config.network)
        if config.fade_share:
            fade(net)
        if config.int8:
            round_in_training(net)
        # Before the data, which takes minutes: the weights to begin with may be refused.
        known = Beginning(state['warm_started'], state['kept']) if state else begin(net, config)
        distiller = begin_distillation(net, config, known.kept, fabric.device)
        quiet = not fabric.is_global_zero
        data = load_input(config, labels, folder.cache, device=fabric.device, quiet=quiet)
        self.data, self.kept = data, known.kept
        self.source = BatchSource(
            data.whole,
            data.synthetic,
            input_wh=config.input_wh,
            augmentation=config.augmentation,
            batch_size=config.batch_size // fabric.world_size,
            synthetic_share=config.synthetic_share,
            repeats=config.repeats,
            rare_repeat=config.rare_repeat,
            seed=config.seed,
            rank=fabric.global_rank,
            world=fabric.world_size,
            device=fabric.device,
        )
        self.epoch_steps = len(self.source)
        self.total_steps = config.epochs * self.epoch_steps
        net.to(fabric.device, memory_format=torch.channels_last)
        if not state:
            adapt(net, config, known.warm_started, data.real, distiller)
        self.learner = Learner(fabric, config, net, known.warm_started, distiller)
        self.step = 0
        self._saved = time.monotonic()
        self.tally: dict[str, float] = {}
        """Sums over the steps of this epoch so far."""
        if state:
            self._restore(state)
        self._fade()
        if fabric.is_global_zero:
            self.examiner = Examiner(
                data.data,
                data.holdout,
                data.real.names,
                input_wh=config.input_wh,
                device=fabric.device,
            )
            folder.begin(config)

    def go_on(self, stop: Stop, last_epoch: int) -> None:
        """Train until the end of an epoch, or until it is time to stop, and save."""
        end = min(self.total_steps, last_epoch * self.epoch_steps)
        bar = tqdm(
            desc='train',
            initial=self.step,
            total=self.total_steps,
            unit='step',
            smoothing=0,
            mininterval=5,
            disable=not self.fabric.is_global_zero,
        )
        if self.tally.get('steps') == self.epoch_steps:  # cut off between step and record
            self._finish_epoch()
        with stop, bar:
            while self.step < end and not self._any(stop.due()):
                self._make_step()
                bar.set_postfix_str(self._progress(), refresh=False)
                bar.update()
                if self.step % self.epoch_steps == 0:
                    self._save()
                    self._finish_epoch()
                elif time.monotonic() - self._saved > SAVE_SECONDS:
                    self._save()
            if self.step % self.epoch_steps:
                self._save()
        if self.fabric.is_global_zero:
            self._conclude()

    def _make_step(self) -> None:
        try:
            self._learn_from_batch()
            return
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            # The traceback holds the tensors that must be freed before the search.
        size, processes = self.config.batch_size, self.fabric.world_size
        fitting = largest_fitting(self._attempt, size // processes) * processes
        cure = (
            f'{fitting} does: --set batch_size={fitting}'
            if fitting
            # To oneDNN nothing fits any more once it has run out of memory.
            else 'and no smaller one did after it: take a smaller network, input_wh or batch_size'
        )
        raise BatchTooLargeError(
            f'batch_size {size} does not fit into the memory of {self.fabric.device}, {cure}'
        )

    def _learn_from_batch(self) -> None:
        config = self.config
        began = time.perf_counter()
        if self.step >= self.total_steps - config.mosaic_off_epochs * self.epoch_steps:
            self.source.augmentation = replace(config.augmentation, mosaic=0.0)
        self._fade()
        batch = self.source.batch(self.step)
        if self.fabric.device.type == 'cuda':
            torch.cuda.synchronize()  # or the making of the batch would count as training
        received = time.perf_counter()
        try:
            values = self.learner.learn(
                batch,
                self.step,
                rate_factor=self._rate_factor(self.step),
                progress=self.step / self.total_steps,
            )
        except NonFiniteLossError as error:
            raise self._with_batch(error, batch) from None
        self.step += 1
        seconds, waited = time.perf_counter() - began, received - began
        self.tally = add_step(self.tally, values, seconds=seconds, input_seconds=waited)

    def _fade(self) -> None:
        if share := self.config.fade_share:
            self.learner.fade(self.step / (share * self.total_steps))

    def _with_batch(self, error: NonFiniteLossError, batch: Batch) -> NonFiniteLossError:
        """Save the batch of this process; return the error that tells of it."""
        path = self.folder.save_batch({'step': self.step, **vars(batch)}, self.fabric.global_rank)
        self.fabric.barrier()  # the first process to end takes the others with it
        return NonFiniteLossError(
            f"not finite: {error}; the batch is saved as '{path}', its samples are "
            f'{", ".join(batch.names)}: look at them, or lower learning_rate'
        )

    def _attempt(self, size: int) -> None:
        indices = [i % len(self.data.real) for i in range(size)]
        batch = plain_batch(self.data.real, indices, self.config.input_wh)
        self.learner.attempt(batch.to(self.fabric.device))

    def _finish_epoch(self) -> None:
        """Write down an epoch whose last step is saved; look at the network, and score it."""
        tally, self.tally = self.tally, {}
        epoch, last = self.step // self.epoch_steps, self.step == self.total_steps
        if not self.fabric.is_global_zero or self.folder.has_record(epoch):
            return
        record: dict[str, Any] = {
            'epoch': epoch,
            'step': self.step,
            **{name: round(mean, 5) for name, mean in means(tally).items()},
            'learning_rate': self.config.learning_rate * self._rate_factor(self.step - 1),
            **speed(tally, self.config.batch_size),
        }
        if weights := self.learner.task_weights.learned():
            record['task_weights'] = weights
        net = self.learner.averaged.net
        if self.examiner.can_score and _due(self.config.score_every, epoch, last):
            record['holdout'] = self.examiner.scores(net)
        if _due(self.config.look_every, epoch, last):
            self.examiner.draw(net, self.folder.look(epoch))
        self.folder.add_record(record)

    def _conclude(self) -> None:
        if self.step < self.total_steps:
            print(
                f'stopped after step {self.step} of {self.total_steps}: the same command goes on',
                file=sys.stderr,
            )
            return
        provenance = {
            'tool_version': version('panoptic_perception'),
            'torch': str(torch.__version__),
            'device': str(self.fabric.device),
            'processes': self.fabric.world_size,
            'images': len(self.data.real),
            'synthetic_images': len(self.data.synthetic or ()),
            'unlabelled_images': len(self.data.unlabelled or ()),
        }
        self.folder.finish(self._state(), provenance)
        print(self.folder.checkpoint)

    def _state(self) -> dict[str, Any]:
        return {
            'network': self.config.network.to_dict(),
            'training': self.config.to_dict(),
            'epoch': self.step // self.epoch_steps,
            'step': self.step,
            'epoch_steps': self.epoch_steps,
            'tally': dict(self.tally),
            'kept': dict(self.kept),
            **self.learner.state(),
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        if state['epoch_steps'] != self.epoch_steps:
            raise ConfigError(
                f"'{self.folder.root}': the run was begun with {state['epoch_steps']} steps an "
                f'epoch, its data now give {self.epoch_steps}: give the same data'
            )
        if state['step'] > self.total_steps:
            raise self._damaged(f'step is {state["step"]}, expected at most {self.total_steps}')
        try:
            self.learner.restore(state)
        except _NOT_RESTORABLE as error:
            if is_out_of_memory(error):
                raise
            raise self._damaged(' '.join(str(error).split())[:200]) from error
        self.step = state['step']
        self.tally = state['tally']

    def _damaged(self, found: str) -> CheckpointError:
        return CheckpointError(
            f"'{self.folder.checkpoint}': expected a checkpoint to go on from, found one that is "
            f'damaged ({found}): give it as `start` of another run'
        )

    def _save(self) -> None:
        self._saved = time.monotonic()
        if self.fabric.is_global_zero:
            self.folder.save(self._state())

    def _rate_factor(self, step: int) -> float:
        warmup = self.config.warmup_steps
        return rate_factor(step, warmup_steps=warmup, total_steps=self.total_steps)

    def _any(self, stop: bool) -> bool:
        """Return whether one process is to stop: all do so after the same step."""
        return bool(sum_over_processes(torch.tensor(float(stop), device=self.fabric.device)))

    def _progress(self) -> str:
        epoch = (self.step - 1) // self.epoch_steps + 1
        parts = [f'{name} {x:.3f}' for name, x in means(self.tally).items() if name in PARTS]
        return f'epoch {epoch}/{self.config.epochs} {" ".join(parts)}'


def _due(every: int, epoch: int, last: bool) -> bool:
    return every > 0 and (last or epoch % every == 0)
