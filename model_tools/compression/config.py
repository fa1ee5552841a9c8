# SPDX-License-Identifier: Apache-2.0
"""Settings of a compression, read from YAML; unknown keys are refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from model_tools.compression.costs import COSTS, Budget
from model_tools.compression.criteria import CRITERIA
from model_tools.compression.latency import Engine
from model_tools.compression.selection import Widths
from model_tools.networks.config import NetworkConfig
from model_tools.settings import (
    PATH,
    SHARE,
    ConfigError,
    Rule,
    broken,
    for_fields,
    mapping,
    number,
    one_of,
    plain_values,
    read_settings,
    whole,
)
from model_tools.training.config import TrainingConfig, training_config


@dataclass(frozen=True)
class CompressionConfig:
    """Everything that decides what becomes of a teacher, except the data."""

    training: TrainingConfig
    """How a round is tuned; network, start and teacher are put in."""
    teacher: str = ''
    """Checkpoint or weights file; must be set."""
    budget: Budget = 'latency'
    """Of parameters, multiply-accumulates, or milliseconds in `engine` on one thread."""
    engine: Engine = 'onnxruntime'
    """In which a budget of `latency`, and teacher and student at the end, are measured."""
    keep: float = 0.5
    """Share of the teacher's that the student may need."""
    rounds: int = 3
    """Of pruning and tuning, each by the same factor."""
    last_epochs: int = 6
    """Of the tuning after the last round; those of the others are in `training`."""
    criterion: str = 'safe_taylor_conflict'
    conflict_weight: float = 0.5
    """Share of a channel's score that full conflict between tasks takes."""
    veto_share: float = 0.0
    """Share of the channels, best for any one task, that are never removed."""
    cost_power: float = 0.6
    """Power, 0..4, of a channel's cost that its score is divided by; 0: cost does not count."""
    floor_share: float = 0.1
    """Of a group's channels, as the teacher has them, that stay in any case."""
    floor: int = 8
    """Channels of a group that stay in any case."""
    multiple: int = 16
    """Of which widths are multiples; 8 at most in groups of up to 32 channels."""
    latencies: str = ''
    """File of measured layers, which compressions may share; empty: in the folder."""
    activation: Literal['', 'relu'] = ''
    """Of the student; empty: the teacher's. SiLU fades into ReLU while round 1 is tuned."""
    calibration_batches: int = 64
    calibration_batch_size: int = 2
    """Small, as effects of opposite sign cancel within a batch."""
    recalibration_images: int = 320
    """On which BatchNorms get their statistics after a round's pruning."""
    allowed_fall: float | None = 0.03
    """Of any hold-out score after a round, against the teacher; null: no gate."""
    seed: int = 0

    def __post_init__(self) -> None:
        if wrong := broken(self, _RULES):
            raise ConfigError(f'settings out of range: {"; ".join(wrong)}')
        training = self.training
        if training.start or training.warm_start or training.refit:
            raise ConfigError(
                'training.start, warm_start and refit say what a run begins with: a tuning '
                'begins with the pruned network, leave them out'
            )
        if training.network != NetworkConfig():
            raise ConfigError('training.network is that of the teacher: leave it out')
        if training.distillation and training.distillation.teacher:
            raise ConfigError('training.distillation.teacher is `teacher`: leave it out')

    @property
    def widths(self) -> Widths:
        """Return how many channels a group may keep."""
        return Widths(self.floor_share, self.floor, self.multiple, min(8, self.multiple))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as read by `load_compression`."""
        return plain_values(asdict(self))


def load_compression(
    path: Path, overrides: Mapping[str, object] | None = None
) -> CompressionConfig:
    """Read a YAML file; `overrides` win, their keys dotted for what is nested."""
    return compression_config(read_settings(path, overrides), f"'{path}'")


def compression_config(values: Mapping[str, Any], where: str) -> CompressionConfig:
    """Return settings given as plain values; `where` says where they were read."""
    values = for_fields(values, CompressionConfig, where)
    training = mapping(values.pop('training', None), 'training')
    return CompressionConfig(training=training_config(training, f'{where}, training'), **values)


_RULES: Mapping[str, Rule] = {
    'teacher': Rule(lambda v: isinstance(v, str) and v != '', 'a checkpoint: give --teacher'),
    'budget': one_of(*COSTS),
    'engine': one_of(*get_args(Engine)),
    'keep': Rule(
        lambda v: type(v) in (int, float) and 0 < v <= 1, 'a number above 0 and at most 1'
    ),
    'rounds': whole(1),
    'last_epochs': whole(1),
    'criterion': one_of(*CRITERIA),
    'conflict_weight': number(0, 1),
    'veto_share': SHARE,
    'cost_power': number(0, 4),
    'floor_share': SHARE,
    'floor': whole(2),
    'multiple': whole(1),
    'latencies': PATH,
    'activation': one_of('', 'relu'),
    'calibration_batches': whole(1),
    'calibration_batch_size': whole(1),
    'recalibration_images': whole(1),
    'allowed_fall': Rule(
        lambda v: v is None or (type(v) in (int, float) and 0 <= v <= 1),
        'a number from 0 to 1, or null',
    ),
    'seed': whole(0),
}
