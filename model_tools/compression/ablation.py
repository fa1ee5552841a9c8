# SPDX-License-Identifier: Apache-2.0
"""Compress the same teacher many times, each time with something changed, and compare."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
import yaml

from model_tools.compression.ablation_config import NARROW, Ablation, folder_name
from model_tools.compression.ablation_report import DELTA_M, STAGES, delta_m, draw, joined, tables
from model_tools.compression.compress import TIMINGS, compress
from model_tools.compression.config import CompressionConfig
from model_tools.compression.costs import Macs, Parameters, make_cost
from model_tools.compression.folder import CompressionFolder
from model_tools.compression.gate import GateError, flat_scores
from model_tools.compression.importance import EvidenceError
from model_tools.compression.narrow import narrow_network
from model_tools.compression.selection import BudgetError
from model_tools.export.release import release
from model_tools.export.summary import compare_files
from model_tools.networks.config import NetworkConfig
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.settings import (
    ConfigError,
    plain_values,
)
from model_tools.training.checkpoint import file_sha256, load_checkpoint, load_network
from model_tools.training.learner import NonFiniteLossError
from model_tools.training.stopping import Stop
from model_tools.training.trainer import train
from panoptic_perception.core.files import whole_file, write_json, write_whole
from panoptic_perception.engines import ModelInfo, read_model

TEACHER = 'teacher'
"""Name of the first row, and of its model file."""
STUDENT, PRUNED = 'student.onnx', 'pruned.onnx'
"""Model files of a variant: tuned, and before that with nothing but its norms recalibrated."""
FAILED = 'failed.txt'
"""Why a variant cannot be made."""


def ablate(ablation: Ablation, out: Path, *, stop: Stop) -> bool:
    """
    Make what has not been made, seed by seed; return whether all is done.

    The record and the tables in `out` are written anew after each compression, and once more at
    the end, when all students and the teacher are timed in turns. A variant that cannot be made,
    by its budget, its labels, its gate or its loss, is told of in its folder and not tried again.

    Raises:
        ConfigError: `out` holds a comparison with other settings.
    """
    _begin(ablation, out)
    for seed in ablation.seeds:
        for variant in ablation.variants:
            folder = _folder(out, variant, seed)
            if _is_done(ablation, variant, folder):
                continue
            if stop.due():
                return False
            print(f'{variant}, seed {seed}', file=sys.stderr)
            try:
                if not _make(ablation, variant, seed, folder, stop):
                    return False
            except (BudgetError, EvidenceError, GateError, NonFiniteLossError) as error:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / FAILED).write_text(f'{error}\n')
                print(f'{variant}, seed {seed}: {error}', file=sys.stderr)
            _write(_rows(ablation, out), out)
    rows = _rows(ablation, out)
    _time(ablation, rows, out)
    _write(rows, out)
    return True


def _begin(ablation: Ablation, out: Path) -> None:
    """Check that `out` holds this comparison, or begin it with the model file of the teacher."""
    config = ablation.first
    teacher, path = Path(config.teacher), out / 'ablation.yaml'
    known = yaml.safe_load(path.read_text()) if path.is_file() else None
    load_checkpoint(teacher)  # which says what is wrong with it
    settings = {**plain_values(asdict(ablation)), 'teacher_sha256': file_sha256(teacher)}
    made = [*out.glob(f'*/seed_*/{STUDENT}'), *out.glob(f'*/seed_*/{FAILED}')]
    if known not in (None, settings) and made:
        raise ConfigError(
            f"'{out}': holds a comparison with other settings or another teacher, those of "
            f"'{path}'; give them, or another --out"
        )
    if known != settings or not _teacher_file(out).is_file():
        # What is wrong with the data shows here, before anything is written.
        data, input_wh = Path(config.training.data), config.training.input_wh
        release(teacher, data, _teacher_file(out), input_wh=input_wh)
    write_whole(path, yaml.safe_dump(settings, sort_keys=False).encode())


def _folder(out: Path, variant: str, seed: int) -> Path:
    return out / folder_name(variant) / f'seed_{seed}'


def _is_done(ablation: Ablation, variant: str, folder: Path) -> bool:
    files = [STUDENT] if NARROW in ablation.variants[variant] else [STUDENT, PRUNED]
    return (folder / FAILED).is_file() or all((folder / name).is_file() for name in files)


def _make(ablation: Ablation, variant: str, seed: int, folder: Path, stop: Stop) -> bool:
    config = ablation.settings(variant, seed)
    data = Path(config.training.data)
    epochs = ablation.variants[variant].get(NARROW)
    if epochs is None:
        if compress(config, folder, stop=stop) is None:
            return False
        release(CompressionFolder(folder).round(config.rounds).pruned, data, folder / PRUNED)
        return True
    assert isinstance(epochs, int)
    weights = _train_narrow(config, epochs, folder, stop)
    if weights is None:
        return False
    release(weights, data, folder / STUDENT)
    return True


def _train_narrow(config: CompressionConfig, epochs: int, folder: Path, stop: Stop) -> Path | None:
    """Train the control; return its weights, None if stopped before."""
    wide = load_network(Path(config.teacher))
    example = torch.zeros(1, 3, *config.training.input_wh[::-1])
    latencies = Path(config.latencies) if config.latencies else folder / 'latencies.json'
    cost = make_cost(config.budget, example, latencies, config.engine)
    like = replace(wide.config, activation=config.activation or wide.config.activation)
    narrow = narrow_network(like, example, cost, config.keep * cost(wide), config.widths)
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


def _teacher_file(out: Path) -> Path:
    return out / f'{TEACHER}.onnx'


def _rows(ablation: Ablation, out: Path) -> list[dict[str, Any]]:
    """Return what teacher and students cost and score, lists over the seeds."""
    teacher = read_model(_teacher_file(out))
    reference = _scores(teacher)
    rows: list[dict[str, Any]] = [
        {
            'variant': TEACHER,
            'seeds': [],
            'costs': joined([_costs(teacher)]),
            'scores': joined([reference]),
            **{kind: {} for kind in STAGES},
        }
    ]
    for variant in ablation.variants:
        models = _made(ablation, variant, out, STUDENT)
        pruned = _made(ablation, variant, out, PRUNED)
        folders = [_folder(out, variant, seed) for seed in models]
        rows.append(
            {
                'variant': variant,
                'seeds': list(models),
                'costs': joined(_costs(model) for model in models.values()),
                'scores': joined(_compared(_scores(m), reference) for m in models.values()),
                'pruned': joined(_compared(_scores(m), reference) for m in pruned.values()),
                'holdout_pruned': joined(_holdout(folder, 'pruned') for folder in folders),
                'holdout': joined(_holdout(folder, 'tuned') for folder in folders),
            }
        )
    return rows


def _made(ablation: Ablation, variant: str, out: Path, name: str) -> dict[int, ModelInfo]:
    paths = {seed: _folder(out, variant, seed) / name for seed in ablation.seeds}
    return {seed: read_model(path) for seed, path in paths.items() if path.is_file()}


def _compared(scores: Mapping[str, float], reference: Mapping[str, float]) -> dict[str, float]:
    return {DELTA_M: delta_m(scores, reference), **scores}


def _scores(model: ModelInfo) -> dict[str, float]:
    """Return those on `val`."""
    return flat_scores(model.metrics['scores']['all'])


def _costs(model: ModelInfo) -> dict[str, float]:
    net, example = _network(model), torch.zeros(1, 3, *model.input_wh[::-1])
    return {'M parameters': Parameters()(net) / 1e6, 'GMAC': Macs(example)(net) / 1e9}


def _holdout(folder: Path, stage: str) -> dict[str, float]:
    """Return the scores on the hold-out in the last round, 'pruned' or 'tuned', if known."""
    path = folder / 'compression.json'
    record = json.loads(path.read_text()) if path.is_file() else None
    if not record or not (found := record['rounds'][-1][stage]['holdout']):
        return {}
    return _compared(flat_scores(found), flat_scores(record['teacher']['holdout']))


def _time(ablation: Ablation, rows: list[dict[str, Any]], out: Path) -> None:
    """Put into each row the milliseconds of its files."""
    models = [[read_model(_teacher_file(out))]] + [
        list(_made(ablation, variant, out, STUDENT).values()) for variant in ablation.variants
    ]
    files = [model.path for row in models for model in row]
    engine = ablation.first.engine
    times = iter(compare_files(files, engine=engine, threads=1, repeats=TIMINGS))
    for row, timed in zip(rows, models, strict=True):
        if timed:
            row['costs']['ms'] = [next(times) for _ in timed]


def _network(model: ModelInfo) -> PanopticNet:
    """Return a network of the shape of a model file's, without its weights."""
    return PanopticNet(NetworkConfig.from_dict(model.provenance['network'])).eval()


def _write(rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    write_json(out / 'ablation.json', rows)
    write_whole(out / 'ablation.md', tables(rows).encode())
    with whole_file(out / 'ablation.png') as part:
        draw(rows, part)
