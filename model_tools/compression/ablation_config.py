# SPDX-License-Identifier: Apache-2.0
"""Settings of a comparison of compressions, read from YAML; all variants are checked at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_tools.compression.config import CompressionConfig, compression_config
from model_tools.settings import (
    ConfigError,
    Rule,
    broken,
    for_fields,
    mapping,
    override,
    read_settings,
)

NARROW = 'narrow'
"""Setting of a variant: train a narrow network from scratch, for this many epochs."""
_OF_ALL = (
    'engine',
    'teacher',
    'training.data',
    'training.label_set',
    'training.holdout_groups',
    'training.input_wh',
)
"""Settings that no variant may change."""


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
        folders = [folder_name(name) for name in self.variants]
        if len(set(folders)) < len(folders):
            wrong.append(f'variants have folders {folders}, expected names that differ in letters')
        if wrong:
            raise ConfigError(f'settings out of range: {"; ".join(wrong)}')
        given = {key for changes in self.variants.values() for key in changes}
        if shared := sorted(given & {*_OF_ALL, 'seed', 'training.seed'}):
            raise ConfigError(
                f'variants change {shared}, without which they do not compare: give seeds as '
                '`seeds`, the rest under compression, once for all'
            )
        for name in self.variants:
            self.settings(name, self.seeds[0])

    @property
    def first(self) -> CompressionConfig:
        """Return the settings of the first compression, for what all have in common."""
        return self.settings(next(iter(self.variants)), self.seeds[0])

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


def folder_name(variant: str) -> str:
    """Return the name of a variant in a path."""
    return re.sub(r'\W+', '_', str(variant))


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
