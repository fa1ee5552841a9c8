# SPDX-License-Identifier: Apache-2.0
"""Settings of a training run, read from YAML; unknown keys are refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from model_tools.compression.distillation import Distillation
from model_tools.data.augmentation import TRAINING, Augmentation
from model_tools.networks.config import NetworkConfig
from model_tools.settings import (
    PATH,
    POSITIVE,
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
from model_tools.training.checkpoint import load_checkpoint

MOST_PIXELS = 8192
LONGEST_FADE = 0.9
"""Share of a run; the rest of it must learn with what it will run with."""


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
    """Groups of the train split, by name or shell pattern, that are kept for choosing thresholds
    and for scores."""
    repeats: Mapping[str, int] = field(default_factory=dict)
    """How often the samples of a source come in an epoch; once if it is not named."""
    rare_repeat: float = 0.0
    """Share of the images below which a label is rare, and its images come more often; 0: off."""
    warm_start: str = ''
    """YOLOX-nano ONNX file; empty: random weights."""
    start: str = ''
    """Checkpoint or weights file to begin from, of the same architecture; empty: none."""
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
    fade_share: float = 0.0
    """First part of the run, in which the SiLU of `start` becomes ReLU; 0: it is that already."""
    int8: bool = False
    """Whether convolutions round as an engine of 8 bits does, for a later `quantize`."""
    distillation: Distillation | None = None

    def __post_init__(self) -> None:
        wrong = broken(self, _RULES)
        first = [name for name in ('warm_start', 'start', 'refit') if getattr(self, name)]
        if len(first) > 1:
            wrong.append(f'{" and ".join(first)} are set, expected at most one of them')
        if self.fade_share and not (self.start and self.network.activation == 'relu'):
            wrong.append(
                f'fade_share is {self.fade_share}, expected 0 without a start with silu and a '
                'network with relu'
            )
        if wrong:
            raise ConfigError(f'settings out of range: {"; ".join(wrong)}')

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as written beside the checkpoints and read by `load_config`."""
        return plain_values(asdict(self))


def _size(multiple: int) -> Rule:
    def holds(value: Any) -> bool:
        sides = value if isinstance(value, tuple) else ()
        return len(sides) == 2 and all(
            type(s) is int and 0 < s <= MOST_PIXELS and s % multiple == 0 for s in sides
        )

    return Rule(holds, f'width and height, multiples of {multiple} up to {MOST_PIXELS}')


_RULES: Mapping[str, Rule] = {
    'data': Rule(lambda v: isinstance(v, str) and v != '', 'a folder or tar: give --data'),
    'synthetic': PATH,
    'cache': PATH,
    'label_set': PATH,
    'synthetic_share': SHARE,
    'max_skipped': number(0, 1),
    'holdout_groups': Rule(
        lambda v: isinstance(v, tuple) and all(isinstance(g, str) for g in v), 'a list of names'
    ),
    'repeats': Rule(
        lambda v: isinstance(v, Mapping) and all(type(n) is int and n >= 0 for n in v.values()),
        'whole numbers by name of source',
    ),
    'rare_repeat': number(0, 1),
    'warm_start': PATH,
    'refit': PATH,
    'start': PATH,
    'input_wh': _size(32),
    'canvas_wh': _size(2),
    'epochs': whole(1),
    'batch_size': whole(1),
    'precision': one_of('bf16-mixed', '32-true'),
    'learning_rate': POSITIVE,
    'warm_start_rate': number(0),
    'weight_decay': number(0),
    'warmup_steps': whole(0),
    'ema_decay': SHARE,
    'clip_norm': POSITIVE,
    'task_weights': one_of('fixed', 'learned'),
    'box_weight': number(0),
    'drivable_weight': number(0),
    'lane_weight': number(0),
    'lane_miss_weight': number(0, 1),
    'mosaic_off_epochs': whole(0),
    'fade_share': number(0, LONGEST_FADE),
    'int8': Rule(lambda v: isinstance(v, bool), 'true or false'),
    'look_every': whole(0),
    'score_every': whole(0),
    'seed': whole(0),
}


def load_config(path: Path, overrides: Mapping[str, object] | None = None) -> TrainingConfig:
    """Read a YAML file; `overrides` win, their keys dotted for what is nested.

    Without a word on `network` it is that of `start`.

    Raises:
        ConfigError: A key is unknown, or a value out of range.
        CheckpointError: `start` is asked for its network, and is none of ours.

    """
    values = read_settings(path, overrides)
    config = training_config(values, f"'{path}'")
    if not config.start or values.get('network'):
        return config
    network = NetworkConfig.from_dict(load_checkpoint(Path(config.start))['network'])
    if config.fade_share:
        network = replace(network, activation='relu')
    return replace(config, network=network)


def training_config(values: Mapping[str, Any], where: str) -> TrainingConfig:
    """Return settings given as plain values; `where` says where they were read."""
    values = for_fields(values, TrainingConfig, where)
    nested: dict[str, Any] = {
        'network': NetworkConfig.from_dict(mapping(values.pop('network', None), 'network')),
        'augmentation': Augmentation.from_dict(
            mapping(values.pop('augmentation', None), 'augmentation')
        ),
    }
    if (distillation := values.pop('distillation', None)) is not None:
        nested['distillation'] = Distillation.from_dict(mapping(distillation, 'distillation'))
    return TrainingConfig(**values, **nested)
