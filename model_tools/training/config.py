# SPDX-License-Identifier: Apache-2.0
"""Settings of a training run, read from YAML; unknown keys are refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from model_tools.networks.panoptic_net import NetworkConfig


class ConfigError(ValueError):
    """A settings file holds a key that no field accepts, or a value out of range."""


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides the outcome of a run, except the data itself."""

    data: str = ''
    """Folder or tar of any layout that the readers know; must be set."""
    synthetic: str = ''
    """Folder of synthetic drives; empty: none."""
    label_set: str = 'default'
    """'default', 'vehicle' or a YAML file; its labels are those of the network."""
    synthetic_share: float = 0.1
    max_skipped: float = 0.01
    """Share of broken images that a data set may have; they are left out."""
    holdout_groups: tuple[str, ...] = ()
    """Groups of the train split that are kept for choosing thresholds."""
    repeats: Mapping[str, int] = field(default_factory=dict)
    """How often the samples of a source come in an epoch; once if it is not named."""
    warm_start: str = ''
    """YOLOX-nano ONNX file; empty: random weights."""
    input_wh: tuple[int, int] = (640, 384)
    epochs: int = 20
    batch_size: int = 16
    learning_rate: float = 1e-3
    warm_start_rate: float = 0.3
    """Learning rate of warm-started layers relative to the others."""
    weight_decay: float = 0.02
    warmup_steps: int = 200
    ema_decay: float = 0.999
    clip_norm: float = 10.0
    box_weight: float = 2.0
    drivable_weight: float = 1.0
    lane_weight: float = 1.5
    lane_miss_weight: float = 0.5
    seed: int = 0
    workers: int = 1
    network: NetworkConfig = field(default_factory=NetworkConfig)

    def __post_init__(self) -> None:
        checks = {
            'data': bool(self.data) and isinstance(self.data, str),
            'epochs': isinstance(self.epochs, int) and self.epochs >= 1,
            'batch_size': isinstance(self.batch_size, int) and self.batch_size >= 1,
            'input_wh': len(self.input_wh) == 2 and all(s % 32 == 0 for s in self.input_wh),
            'synthetic_share': 0 <= self.synthetic_share < 1,
            'max_skipped': 0 <= self.max_skipped <= 1,
            'learning_rate': self.learning_rate > 0,
        }
        if wrong := {name: getattr(self, name) for name, holds in checks.items() if not holds}:
            raise ConfigError(
                f'settings out of range: {wrong}; sizes are multiples of 32, counts at least 1, '
                'shares from 0 to below 1'
            )

    def to_dict(self) -> dict[str, object]:
        """Return plain values, as written beside the checkpoints and read by `load_config`."""
        return plain_values(asdict(self))


def load_config(path: Path, **overrides: object) -> TrainingConfig:
    """Read a YAML file; `overrides` that are not None win."""
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"'{path}': expected YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"'{path}': expected a mapping of settings, found {type(values).__name__}"
        )
    values = {**values, **{k: v for k, v in overrides.items() if v is not None}}
    known = {f.name for f in fields(TrainingConfig)}
    if unknown := sorted(set(values) - known):
        raise ConfigError(f"'{path}': unknown keys {unknown}; known: {sorted(known)}")
    network = NetworkConfig.from_dict(values.pop('network', {}))
    fixed: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    try:
        return TrainingConfig(network=network, **fixed)
    except TypeError as error:
        raise ConfigError(f"'{path}': {error}") from error


def plain_values(value: Any) -> Any:
    """Turn tuples into lists, for YAML and for checkpoints that hold only plain values."""
    if isinstance(value, dict):
        return {k: plain_values(v) for k, v in value.items()}
    return [plain_values(v) for v in value] if isinstance(value, (list, tuple)) else value
