# SPDX-License-Identifier: Apache-2.0
"""Compress the same teacher many times, each time with something changed, and compare."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch
import yaml
from tabulate import tabulate

from model_tools.compression.compress import TIMINGS, compress
from model_tools.compression.config import CompressionConfig, compression_config
from model_tools.compression.costs import Macs, Parameters, make_cost
from model_tools.compression.gate import GateError, flat_scores
from model_tools.compression.narrow import narrow_network
from model_tools.compression.selection import BudgetError
from model_tools.data.files import write_whole
from model_tools.export.release import release
from model_tools.export.summary import compare
from model_tools.networks.config import NetworkConfig
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.settings import (
    ConfigError,
    Rule,
    broken,
    for_fields,
    mapping,
    override,
    plain_values,
    read_settings,
)
from model_tools.training.checkpoint import load_network
from model_tools.training.learner import NonFiniteLossError
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
    seeds: tuple[int, ...] = (0, 1, 2)

    def __post_init__(self) -> None:
        wrong = broken(self, _RULES)
        folders = [_slug(name) for name in self.variants]
        if len(set(folders)) < len(folders):
            wrong.append(f'variants have folders {folders}, expected names that differ in letters')
        if wrong:
            raise ConfigError(f'settings out of range: {"; ".join(wrong)}')
        for name in self.variants:
            self.settings(name, self.seeds[0])

    def settings(self, variant: str, seed: int) -> CompressionConfig:
        """Return those of one compression."""
        changes = {k: v for k, v in self.variants[variant].items() if k != NARROW}
        values = override(self.compression, {**changes, 'seed': seed, 'training.seed': seed})
        return compression_config(values, f'variant {variant!r}')


def load_ablation(path: Path, overrides: Mapping[str, object] | None = None) -> Ablation:
    """Read a YAML file; all variants are checked before any is made."""
    values = for_fields(read_settings(path, overrides), Ablation, f"'{path}'")
    variants = mapping(values.pop('variants', None), 'variants')
    return Ablation(
        compression=mapping(values.pop('compression', None), 'compression'),
        variants={name: mapping(v, f'variants.{name}') for name, v in variants.items()},
        **values,
    )


def ablate(ablation: Ablation, out: Path, *, stop: Stop) -> bool:
    """
    Make what has not been made, seed by seed; return whether all is done.

    The record and the table in `out` are written anew after each compression, and once more at
    the end, when all students and the teacher are timed in turns. A variant that cannot be made,
    by its budget, its gate or its loss, is told of in its folder and not tried again.

    Raises:
        ConfigError: `out` holds a comparison with other settings.
    """
    _begin(ablation, out)
    for seed in ablation.seeds:
        for variant in ablation.variants:
            folder = _folder(out, variant, seed)
            if (folder / 'student.onnx').is_file() or (folder / 'failed.txt').is_file():
                continue
            if stop.due():
                return False
            print(f'{variant}, seed {seed}', file=sys.stderr)
            try:
                if not _make(ablation, variant, seed, folder, stop):
                    return False
            except (BudgetError, GateError, NonFiniteLossError) as error:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / 'failed.txt').write_text(f'{error}\n')
                print(f'{variant}, seed {seed}: {error}', file=sys.stderr)
            _write(_rows(ablation, out), out)
    rows = _rows(ablation, out)
    _time(ablation, rows, out)
    _write(rows, out)
    return True


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return means over the seeds, with half the range where there are several."""
    names = list(dict.fromkeys(name for row in rows for name in row['columns']))
    lines = [
        [row['variant'], len(row['seeds']), *(_spread(row['columns'].get(n, [])) for n in names)]
        for row in rows
    ]
    return tabulate(lines, ['variant', 'seeds', *names], tablefmt='github', disable_numparse=True)


def _begin(ablation: Ablation, out: Path) -> None:
    path, settings = out / 'ablation.yaml', plain_values(asdict(ablation))
    if path.is_file() and yaml.safe_load(path.read_text()) != settings:
        raise ConfigError(
            f"'{out}': holds a comparison with other settings, those of '{path}'; give them, or "
            'another --out'
        )
    out.mkdir(parents=True, exist_ok=True)
    write_whole(path, yaml.safe_dump(settings, sort_keys=False).encode())


def _slug(variant: str) -> str:
    return re.sub(r'\W+', '_', str(variant))


def _folder(out: Path, variant: str, seed: int) -> Path:
    return out / _slug(variant) / f'seed_{seed}'


def _make(ablation: Ablation, variant: str, seed: int, folder: Path, stop: Stop) -> bool:
    config = ablation.settings(variant, seed)
    epochs = ablation.variants[variant].get(NARROW)
    if epochs is None:
        return compress(config, folder, stop=stop) is not None
    assert isinstance(epochs, int)
    weights = _train_narrow(config, epochs, folder, stop)
    if weights is None:
        return False
    release(weights, Path(config.training.data), folder / 'student.onnx')
    return True


def _train_narrow(config: CompressionConfig, epochs: int, folder: Path, stop: Stop) -> Path | None:
    """Train the control; return its weights, None if stopped before."""
    wide = load_network(Path(config.teacher))
    example = torch.zeros(1, 3, *config.training.input_wh[::-1])
    latencies = Path(config.latencies) if config.latencies else folder / 'latencies.json'
    cost = make_cost(config.budget, example, latencies)
    narrow = narrow_network(wide.config, example, cost, config.keep * cost(wide), config.widths)
    distillation = config.training.distillation
    training = replace(
        config.training,
        network=narrow,
        epochs=epochs,
        distillation=distillation
        and replace(distillation, teacher=config.teacher, adapters='random'),
        score_every=0,
    )
    train(training, folder / 'tuning', devices=1, stop=stop)
    weights = folder / 'tuning' / 'weights.pt'
    return weights if weights.is_file() else None


def _rows(ablation: Ablation, out: Path) -> list[dict[str, Any]]:
    """Return what the students cost and score on val, lists over the seeds."""
    rows = []
    for variant in ablation.variants:
        columns: dict[str, list[float]] = {}
        models = _made(ablation, variant, out)
        for model in models.values():
            scores = flat_scores(model.metrics['scores']['all'])
            for name, value in {**_costs(_network(model), model.input_wh), **scores}.items():
                columns.setdefault(name, []).append(value)
        rows.append({'variant': variant, 'seeds': list(models), 'columns': columns})
    return rows


def _made(ablation: Ablation, variant: str, out: Path) -> dict[int, ModelInfo]:
    paths = {seed: _folder(out, variant, seed) / 'student.onnx' for seed in ablation.seeds}
    return {seed: read_model(path) for seed, path in paths.items() if path.is_file()}


def _time(ablation: Ablation, rows: list[dict[str, Any]], out: Path) -> None:
    """Put the teacher first, and into each row the milliseconds of its first seed's file."""
    config = ablation.settings(next(iter(ablation.variants)), ablation.seeds[0])
    teacher = load_network(Path(config.teacher))
    columns = {name: [value] for name, value in _costs(teacher, config.training.input_wh).items()}
    rows.insert(0, {'variant': 'teacher', 'seeds': [], 'columns': columns})
    made = [row for row in rows if row['columns']]
    nets = [teacher] + [
        _network(next(iter(_made(ablation, row['variant'], out).values()))) for row in made[1:]
    ]
    times = compare(nets, config.training.input_wh, threads=1, repeats=TIMINGS)
    for row, ms in zip(made, times, strict=True):
        row['columns']['ms'] = [ms]


def _network(model: ModelInfo) -> PanopticNet:
    """Return a network of the shape of a model file's, without its weights."""
    return PanopticNet(NetworkConfig.from_dict(model.provenance['network'])).eval()


def _costs(net: PanopticNet, input_wh: tuple[int, int]) -> dict[str, float]:
    example = torch.zeros(1, 3, *input_wh[::-1])
    return {'M parameters': Parameters()(net) / 1e6, 'GMAC': Macs(example)(net) / 1e9}


def _write(rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    write_whole(out / 'ablation.json', (json.dumps(rows, indent=1) + '\n').encode())
    write_whole(out / 'ablation.md', (table(rows) + '\n').encode())


def _spread(values: Sequence[float]) -> str:
    if not values:
        return '-'
    half = (max(values) - min(values)) / 2
    return f'{mean(values):.3f}' + (f' ± {half:.3f}' if len(values) > 1 else '')


_RULES: Mapping[str, Rule] = {
    'seeds': Rule(
        lambda v: isinstance(v, tuple) and v != () and all(type(s) is int and s >= 0 for s in v),
        'a list of whole numbers',
    ),
    'variants': Rule(
        lambda v: (
            v and all(type(c.get(NARROW, 1)) is int and c.get(NARROW, 1) > 0 for c in v.values())
        ),
        f'variants by name; {NARROW} is a number of epochs',
    ),
}
