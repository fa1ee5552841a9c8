# SPDX-License-Identifier: Apache-2.0
"""Train a PanopticNet: one folder a run, resumable at every epoch."""

from __future__ import annotations

import json
import math
import sys
import time
from functools import partial
from pathlib import Path

import torch
import yaml
from torch import nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from model_tools.data.augmentation import TRAINING
from model_tools.data.dataset import AugmentedSamples, Batch, EpochSampler, make_loader
from model_tools.data.label_set import load_label_set
from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers import ReaderSettings, open_data, read_samples
from model_tools.data.sample import Sample
from model_tools.networks.heads import cell_centres
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.networks.warm_start import seed_batchnorm, warm_start
from model_tools.training.checkpoint import load_checkpoint, save_checkpoint
from model_tools.training.config import ConfigError, TrainingConfig, plain_values
from model_tools.training.curves import draw_curves
from model_tools.training.losses import detection_loss, segmentation_loss

SEED_IMAGES = 48
"""Images that give warm-started BatchNorms their first statistics."""


class NonFiniteLossError(ValueError):
    """The loss became NaN or infinite."""


def train(config: TrainingConfig, out: Path, *, stop_after: int | None = None) -> Path:
    """Train, or go on where `out` left off; return the path of the last checkpoint.

    With `stop_after`, stop at the end of that epoch: for runs made in slices of time.
    """
    torch.manual_seed(config.seed)
    labels = load_label_set(config.label_set)
    if labels.names != config.network.labels:
        raise ConfigError(
            f'network.labels are {list(config.network.labels)}, but label_set '
            f'{config.label_set!r} has {list(labels.names)}: give both the same labels'
        )
    samples, real = _load_samples(config, ReaderSettings(labels=labels))
    sampler = EpochSampler(real, len(samples) - real, config.synthetic_share, config.seed)
    dataset = AugmentedSamples(samples, config.input_wh, TRAINING, config.seed)
    loader = make_loader(dataset, sampler, batch_size=config.batch_size, workers=config.workers)
    if not len(loader):
        raise DatasetError(
            f"'{config.data}': {len(sampler)} images to train on are fewer than one batch of "
            f'{config.batch_size}; add images or lower batch_size',
            kind='too_few',
        )
    out.mkdir(parents=True, exist_ok=True)
    (out / 'config.yaml').write_text(yaml.safe_dump(config.to_dict(), sort_keys=False))
    run = _Run(config, out, steps_per_epoch=len(loader))
    if run.checkpoint.is_file():
        run.resume()
    else:
        run.start(dataset)
    for epoch in range(run.epoch, min(config.epochs, stop_after or config.epochs)):
        sampler.epoch = epoch
        run.train_epoch(loader)
    return run.checkpoint


class _Run:
    """The state that a checkpoint holds."""

    def __init__(self, config: TrainingConfig, out: Path, steps_per_epoch: int) -> None:
        self.config = config
        self.out = out
        self.checkpoint = out / 'last.pt'
        self.total_steps = config.epochs * steps_per_epoch
        self.epoch = 0
        self.step = 0
        self.net = PanopticNet(config.network).to(memory_format=torch.channels_last)
        self.averaged = AveragedModel(
            self.net, avg_fn=partial(_average, decay=config.ema_decay), use_buffers=True
        )
        self.cells = cell_centres(config.input_wh[1], config.input_wh[0])
        self.started: list[str] = []
        self.optimizer = self._make_optimizer()

    def start(self, dataset: AugmentedSamples) -> None:
        if self.config.warm_start:
            self.started = warm_start(self.net, Path(self.config.warm_start))
            step = max(1, len(dataset) // SEED_IMAGES)
            images = [dataset[0, i].image for i in range(0, len(dataset), step)][:SEED_IMAGES]
            batch = torch.stack([torch.from_numpy(i) for i in images]).permute(0, 3, 1, 2)
            seed_batchnorm(self.net, batch.float(), self.started)
            self.averaged.module.load_state_dict(self.net.state_dict())
            self.optimizer = self._make_optimizer()

    def resume(self) -> None:
        state = load_checkpoint(self.checkpoint)
        self.net.load_state_dict(state['weights'])
        self.averaged.module.load_state_dict(state['averaged'])
        self.averaged.n_averaged.fill_(state['step'])
        self.started = state['warm_started']
        self.optimizer = self._make_optimizer()
        self.optimizer.load_state_dict(state['optimizer'])
        self.epoch, self.step = state['epoch'], state['step']

    def save(self) -> None:
        save_checkpoint(
            self.checkpoint,
            {
                'network': plain_values(self.config.network.to_dict()),
                'training': self.config.to_dict(),
                'weights': self.net.state_dict(),
                'averaged': self.averaged.module.state_dict(),
                'optimizer': self.optimizer.state_dict(),
                'warm_started': self.started,
                'epoch': self.epoch,
                'step': self.step,
            },
        )

    def train_epoch(self, loader: torch.utils.data.DataLoader) -> None:
        self.net.train()
        began = time.monotonic()
        sums: dict[str, float] = {}
        bar = tqdm(loader, desc=f'epoch {self.epoch + 1}/{self.config.epochs}', mininterval=5)
        for count, batch in enumerate(bar, 1):
            for name, value in self.train_step(batch).items():
                sums[name] = sums.get(name, 0.0) + value
            bar.set_postfix({k: f'{v / count:.3f}' for k, v in sums.items()}, refresh=False)
        self.epoch += 1
        self.save()
        record = {
            'epoch': self.epoch,
            'step': self.step,
            'seconds': round(time.monotonic() - began, 1),
            **{k: round(v / len(loader), 5) for k, v in sums.items()},
        }
        with (self.out / 'metrics.jsonl').open('a') as file:
            file.write(json.dumps(record) + '\n')
        draw_curves(self.out / 'metrics.jsonl', self.out / 'curves.png')

    def train_step(self, batch: Batch) -> dict[str, float]:
        rate = self.schedule(self.step)
        for group in self.optimizer.param_groups:
            group['lr'] = group['base_lr'] * rate
        losses = self.losses(batch)
        total = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(total):
            values = {k: float(v) for k, v in losses.items()}
            raise NonFiniteLossError(f'loss at step {self.step} is not finite: {values}')
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), self.config.clip_norm)
        self.optimizer.step()
        self.averaged.update_parameters(self.net)
        self.step += 1
        return {k: float(v.detach()) for k, v in losses.items()}

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        config = self.config
        with torch.autocast('cpu', torch.bfloat16):
            output = self.net(batch.images.float())
        classes, boxes = detection_loss(
            output.detection, self.cells, batch.boxes, batch.labels, batch.crowd, batch.complete
        )
        share = batch.masks.float() / 255.0
        drivable = segmentation_loss(
            output.drivable, share[:, 0], batch.known[:, 0], miss_weight=0.5
        )
        lane = segmentation_loss(
            output.lane, share[:, 1], batch.known[:, 1], miss_weight=config.lane_miss_weight
        )
        return {
            'class': classes,
            'box': config.box_weight * boxes,
            'drivable': config.drivable_weight * drivable,
            'lane': config.lane_weight * lane,
        }

    def schedule(self, step: int) -> float:
        """Linear warm-up, then half a cosine down to one hundredth."""
        if step < self.config.warmup_steps:
            return (step + 1) / self.config.warmup_steps
        progress = min(1.0, step / self.total_steps)
        return 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2

    def _make_optimizer(self) -> torch.optim.Optimizer:
        """Decay weights only, and let warm-started layers move more slowly."""
        config = self.config
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, parameter in self.net.named_parameters():
            warm = any(name.startswith(f'{started}.') for started in self.started)
            groups.setdefault((warm, parameter.ndim > 1), []).append(parameter)
        return torch.optim.AdamW(
            [
                {
                    'params': parameters,
                    'base_lr': config.learning_rate * (config.warm_start_rate if warm else 1.0),
                    'weight_decay': config.weight_decay if decayed else 0.0,
                }
                for (warm, decayed), parameters in sorted(groups.items(), key=lambda g: g[0])
            ],
            lr=config.learning_rate,
        )


def _average(
    averaged: torch.Tensor, current: torch.Tensor, count: torch.Tensor, *, decay: float
) -> torch.Tensor:
    """Move an average towards the current value, fast at first: the random start must fade."""
    ramp = float((1 + count) / (10 + count))
    return averaged + (1 - min(decay, ramp)) * (current - averaged)


def _load_samples(config: TrainingConfig, settings: ReaderSettings) -> tuple[list[Sample], int]:
    """Decode all samples into memory; the real ones come first. Return them and their number."""
    samples = _decode(Path(config.data), settings, config.max_skipped)
    if missing := set(config.holdout_groups) - {s.group for s in samples}:
        raise DatasetError(
            f"'{config.data}': the train split has no group {sorted(missing)} to hold out"
        )
    samples = [
        sample
        for sample in samples
        if sample.group not in config.holdout_groups
        for _ in range(config.repeats.get(sample.source, 1))
    ]
    real = len(samples)
    if config.synthetic:
        samples += _decode(Path(config.synthetic), settings, config.max_skipped)
    return samples, real


def _decode(root: Path, settings: ReaderSettings, max_skipped: float) -> list[Sample]:
    """Read the train split; say what was skipped, if anything was."""
    data = open_data(root, settings)
    names = data.names('train')
    problems = Problems(len(names), limit=max_skipped)
    progress = tqdm(names, desc='decode', delay=3)
    samples = list(read_samples(data, 'train', problems, names=progress))
    if problems.skipped:
        print(f"'{root}': {json.dumps(problems.summary(), indent=2)}", file=sys.stderr)
    return samples
