# SPDX-License-Identifier: Apache-2.0
"""Compress the same teacher many times, each time with something changed, and compare."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from tabulate import tabulate

from model_tools.compression.compress import compress
from model_tools.compression.config import CompressionConfig, compression_config
from model_tools.compression.costs import Macs, Parameters, make_cost
from model_tools.compression.gate import flat_scores
from model_tools.compression.narrow import narrow_network
from model_tools.data.files import write_whole
from model_tools.export.release import release
from model_tools.networks.config import NetworkConfig
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.settings import ConfigError, for_fields, mapping, override, read_settings
from model_tools.training.checkpoint import load_network
from model_tools.training.config import TrainingConfig
from model_tools.training.stopping import Stop
from model_tools.training.trainer import train
from panoptic_perception.engines import ModelInfo, read_model

NARROW = 'narrow'
"""Setting of a variant: train a narrow network from scratch, for this many epochs."""


@dataclass(frozen=True)
class Ablation:
    """Which compressions to compare."""

    compression: Mapping[str, Any]
    """Settings that all have in common."""
    variants: Mapping[str, Mapping[str, object]]
    """By name: what each changes, keys dotted for what is nested."""
    seeds: Sequence[int] = (0, 1, 2)

    def settings(self, variant: str, seed: int) -> CompressionConfig:
        """Return those of one compression."""
        changes = {k: v for k, v in self.variants[variant].items() if k != NARROW}
        values = override(self.compression, {**changes, 'seed': seed, 'training.seed': seed})
        return compression_config(values, f'variant {variant!r}')


def load_ablation(path: Path, overrides: Mapping[str, object] | None = None) -> Ablation:
    """Read a YAML file; all variants are checked before any is made."""
    values = for_fields(read_settings(path, overrides), Ablation, f"'{path}'")
    variants = mapping(values.pop('variants', None), 'variants')
    if not variants:
        raise ConfigError(f"'{path}': expected variants to compare, by name")
    ablation = Ablation(
        compression=mapping(values.pop('compression', None), 'compression'),
        variants={
            name: mapping(changes, f'variants.{name}') for name, changes in variants.items()
        },
        **values,
    )
    for name in variants:
        ablation.settings(name, 0)
    return ablation


def ablate(ablation: Ablation, out: Path, *, stop: Stop) -> bool:
    """
    Make what has not been made, seed by seed; return whether all is done.

    The record and the table in `out` are written anew after each compression.
    """
    for seed in ablation.seeds:
        for variant in ablation.variants:
            folder = _folder(out, variant, seed)
            if not (folder / 'student.onnx').is_file():
                print(f'{variant}, seed {seed}')
                if not _make(ablation, variant, seed, folder, stop):
                    return False
                _write(ablation, out)
    _write(ablation, out)
    return True


def _folder(out: Path, variant: str, seed: int) -> Path:
    return out / re.sub(r'\W+', '_', variant) / f'seed_{seed}'


def _make(ablation: Ablation, variant: str, seed: int, folder: Path, stop: Stop) -> bool:
    config = ablation.settings(variant, seed)
    epochs = ablation.variants[variant].get(NARROW)
    if epochs is None:
        return compress(config, folder, stop=stop) is not None
    weights = _train_narrow(config, int(str(epochs)), folder, stop)
    if weights is None:
        return False
    release(weights, Path(config.training.data), folder / 'student.onnx')
    return True


def _train_narrow(config: CompressionConfig, epochs: int, folder: Path, stop: Stop) -> Path | None:
    """Train the control; return its weights, None if stopped before."""
    wide = load_network(Path(config.teacher))
    example = torch.zeros(1, 3, *config.training.input_wh[::-1])
    cost = make_cost(config.budget, example, folder / 'latencies.json')
    distillation = config.training.distillation
    training: TrainingConfig = replace(
        config.training,
        network=narrow_network(
            wide.config, example, cost, config.keep * cost(wide), config.widths
        ),
        epochs=epochs,
        distillation=distillation
        and replace(distillation, teacher=config.teacher, adapters='random'),
        score_every=0,
    )
    train(training, folder / 'tuning', devices=1, stop=stop)
    weights = folder / 'tuning' / 'weights.pt'
    return weights if weights.is_file() else None


def _write(ablation: Ablation, out: Path) -> None:
    rows = [_row(out, variant, ablation.seeds) for variant in ablation.variants]
    record = [row for row in rows if row['seeds']]
    write_whole(out / 'ablation.json', (json.dumps(record, indent=1) + '\n').encode())
    write_whole(out / 'ablation.md', (table(record) + '\n').encode())


def _row(out: Path, variant: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Return what the students of a variant cost and score on val, a list over the seeds each."""
    paths = {seed: _folder(out, variant, seed) / 'student.onnx' for seed in seeds}
    made = {seed: read_model(path) for seed, path in paths.items() if path.is_file()}
    columns: dict[str, list[float]] = {}
    for model in made.values():
        scores = flat_scores(model.metrics['scores']['all'])
        for name, value in {**_costs(model), **scores}.items():
            columns.setdefault(name, []).append(value)
    return {'variant': variant, 'seeds': list(made), 'columns': columns}


def _costs(model: ModelInfo) -> dict[str, float]:
    net = PanopticNet(NetworkConfig.from_dict(model.provenance['network'])).eval()
    example = torch.zeros(1, 3, *model.input_wh[::-1])
    return {'M parameters': Parameters()(net) / 1e6, 'GMAC': Macs(example)(net) / 1e9}


def table(record: Sequence[Mapping[str, Any]]) -> str:
    """Return means over the seeds, with half the range where there are several."""
    names = list(dict.fromkeys(name for row in record for name in row['columns']))
    rows = [
        [row['variant'], len(row['seeds']), *(_spread(row['columns'].get(n, [])) for n in names)]
        for row in record
    ]
    return tabulate(rows, ['variant', 'seeds', *names], tablefmt='github', disable_numparse=True)


def _spread(values: Sequence[float]) -> str:
    if not values:
        return '-'
    half = (max(values) - min(values)) / 2
    return f'{mean(values):.3f}' + (f' ± {half:.3f}' if len(values) > 1 else '')
