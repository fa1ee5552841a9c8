# SPDX-License-Identifier: Apache-2.0
"""Settings of a training run, read from YAML; unknown keys are refused by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from model_tools.data.augmentation import TRAINING, Augmentation
from model_tools.networks.config import NetworkConfig

PATHS = ('data', 'synthetic', 'cache', 'warm_start', 'start', 'refit')
"""Settings that are places on a machine."""
MOST_PIXELS = 8192


class ConfigError(ValueError):
    """A settings file holds a key that no field accepts, or a value out of range."""


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides the outcome of a run, except the data itself."""

    data: str = ''
    """Folder or tar of any layout that the readers know; must be set."""
    synthetic: str = ''
    """Folder of synthetic drives; empty: none."""
    cache: str = ''
    """Folder of what is decoded, which several runs may share; empty: in that of the run."""
    label_set: str = 'default'
    """'default', 'vehicle' or a YAML file; its labels are those of the network."""
    synthetic_share: float = 0.1
    max_skipped: float = 0.01
    """Share of broken images that a data set may have; they are left out."""
    holdout_groups: tuple[str, ...] = ()
    """Groups of the train split that are kept for choosing thresholds and for scores."""
    repeats: Mapping[str, int] = field(default_factory=dict)
    """How often the samples of a source come in an epoch; once if it is not named."""
    rare_repeat: float = 0.0
    """Share of the images below which a label is rare, and its images come more often; 0: off."""
    warm_start: str = ''
    """YOLOX-nano ONNX file; empty: random weights."""
    start: str = ''
    """Checkpoint or weights file of the same architecture to begin from; empty: none."""
    refit: str = ''
    """The same of a network with other convolutions, which ours is fitted to; empty: none."""
    input_wh: tuple[int, int] = (640, 384)
    canvas_wh: tuple[int, int] = (640, 384)
    """Size at which the images are kept; what is more than the input feeds zooms."""
    epochs: int = 20
    batch_size: int = 16
    """Of all processes together."""
    precision: Literal['bf16-mixed', '32-true'] = 'bf16-mixed'
    learning_rate: float = 1e-3
    warm_start_rate: float = 0.3
    """Learning rate of warm-started layers relative to the others."""
    weight_decay: float = 0.02
    warmup_steps: int = 200
    ema_decay: float = 0.999
    clip_norm: float = 10.0
    task_weights: Literal['fixed', 'learned'] = 'fixed'
    """Whether the weights below are all, or where learned ones begin (arXiv 1705.07115)."""
    box_weight: float = 2.0
    drivable_weight: float = 1.0
    lane_weight: float = 1.5
    lane_miss_weight: float = 0.7
    mosaic_off_epochs: int = 2
    """Last epochs without mosaics, to end on pictures as the camera gives them."""
    look_every: int = 5
    """Epochs between two contact sheets; 0: none."""
    score_every: int = 5
    """Epochs between two scores on the held out groups; 0: none."""
    seed: int = 0
    augmentation: Augmentation = TRAINING
    network: NetworkConfig = field(default_factory=NetworkConfig)

    def __post_init__(self) -> None:
        wrong = [
            f'{name} is {getattr(self, name)!r}, expected {rule.expected}'
            for name, rule in _RULES.items()
            if not rule.holds(getattr(self, name))
        ]
        first = [name for name in ('warm_start', 'start', 'refit') if getattr(self, name)]
        if len(first) > 1:
            wrong.append(f'{" and ".join(first)} are set, expected at most one of them')
        if wrong:
            raise ConfigError(f'settings out of range: {"; ".join(wrong)}')

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as written beside the checkpoints and read by `load_config`."""
        return plain_values(asdict(self))


class _Rule(NamedTuple):
    holds: Callable[[Any], bool]
    expected: str


def _whole(least: int) -> _Rule:
    return _Rule(
        lambda v: type(v) is int and least <= v < 2**31,
        f'a whole number of at least {least} and below 2^31',
    )


def _number(low: float, high: float = math.inf) -> _Rule:
    expected = f'a number of at least {low:g}' + (f' and at most {high:g}' if high < 1e9 else '')
    return _Rule(
        lambda v: type(v) in (int, float) and low <= v <= high and math.isfinite(v), expected
    )


def _one_of(*values: str) -> _Rule:
    return _Rule(lambda v: v in values, ' or '.join(repr(v) for v in values))


def _size(multiple: int) -> _Rule:
    def holds(value: Any) -> bool:
        sides = value if isinstance(value, tuple) else ()
        return len(sides) == 2 and all(
            type(s) is int and 0 < s <= MOST_PIXELS and s % multiple == 0 for s in sides
        )

    return _Rule(holds, f'width and height, multiples of {multiple} up to {MOST_PIXELS}')


_PATH = _Rule(lambda v: isinstance(v, str), 'a path')
_SHARE = _Rule(
    lambda v: type(v) in (int, float) and 0 <= v < 1, 'a number of at least 0 and below 1'
)
_POSITIVE = _Rule(
    lambda v: type(v) in (int, float) and 0 < v < math.inf, 'a number greater than 0'
)

_RULES: Mapping[str, _Rule] = {
    'data': _Rule(lambda v: isinstance(v, str) and v != '', 'a folder or tar: give --data'),
    'synthetic': _PATH,
    'cache': _PATH,
    'label_set': _PATH,
    'synthetic_share': _SHARE,
    'max_skipped': _number(0, 1),
    'holdout_groups': _Rule(
        lambda v: isinstance(v, tuple) and all(isinstance(g, str) for g in v), 'a list of names'
    ),
    'repeats': _Rule(
        lambda v: isinstance(v, Mapping) and all(type(n) is int and n >= 0 for n in v.values()),
        'whole numbers by name of source',
    ),
    'rare_repeat': _number(0, 1),
    'warm_start': _PATH,
    'refit': _PATH,
    'start': _PATH,
    'input_wh': _size(32),
    'canvas_wh': _size(2),
    'epochs': _whole(1),
    'batch_size': _whole(1),
    'precision': _one_of('bf16-mixed', '32-true'),
    'learning_rate': _POSITIVE,
    'warm_start_rate': _number(0),
    'weight_decay': _number(0),
    'warmup_steps': _whole(0),
    'ema_decay': _SHARE,
    'clip_norm': _POSITIVE,
    'task_weights': _one_of('fixed', 'learned'),
    'box_weight': _number(0),
    'drivable_weight': _number(0),
    'lane_weight': _number(0),
    'lane_miss_weight': _number(0, 1),
    'mosaic_off_epochs': _whole(0),
    'look_every': _whole(0),
    'score_every': _whole(0),
    'seed': _whole(0),
}


def load_config(path: Path, overrides: Mapping[str, object] | None = None) -> TrainingConfig:
    """Read a YAML file; `overrides` win, their keys dotted for what is nested."""
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"'{path}': expected YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ConfigError(
            f"'{path}': expected a mapping of settings, found {type(values).__name__}"
        )
    for key, value in (overrides or {}).items():
        _set(values, key, value)
    known = {f.name: str(f.type) for f in fields(TrainingConfig)}
    if unknown := sorted(str(key) for key in set(values) - set(known)):
        raise ConfigError(f"'{path}': unknown keys {unknown}; known: {sorted(known)}")
    nested: dict[str, Any] = {
        'network': NetworkConfig.from_dict(_mapping(values.pop('network', None), 'network')),
        'augmentation': Augmentation.from_dict(
            _mapping(values.pop('augmentation', None), 'augmentation')
        ),
    }
    return TrainingConfig(**{k: _typed(v, known[k]) for k, v in values.items()}, **nested)


def read_value(key: str, text: str) -> object:
    """Read the value of a setting that was given as text, as YAML."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f'{key}: expected a YAML value, found {text!r}') from error


def plain_values(value: Any) -> Any:
    """Turn tuples into lists, for YAML and for checkpoints that hold only plain values."""
    if isinstance(value, Mapping):
        return {k: plain_values(v) for k, v in value.items()}
    return [plain_values(v) for v in value] if isinstance(value, (list, tuple)) else value


def _set(values: dict[str, Any], key: str, value: object) -> None:
    *parents, last = key.split('.')
    for name in parents:
        inner = _mapping(values.get(name), name)
        values[name] = inner
        values = inner
    values[last] = value


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict | None):
        raise ConfigError(f'{name} is {value!r}, expected a mapping of settings')
    return {} if value is None else value


def _typed(value: Any, kind: str) -> Any:
    """Return a value as its field wants it, where YAML's own reading falls short."""
    if isinstance(value, list):
        return tuple(value)
    if kind == 'str' and value is None:
        return ''
    if kind == 'float' and isinstance(value, str):
        try:
            return float(value)  # YAML takes 1e-3 for a text
        except ValueError:
            return value
    return value
