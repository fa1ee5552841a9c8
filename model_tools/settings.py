# SPDX-License-Identifier: Apache-2.0
"""Settings of a command: read from YAML, overridden, and held against rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import yaml


class ConfigError(ValueError):
    """A settings file holds a key that no field accepts, or a value out of range."""


class Rule(NamedTuple):
    """What a value must be, as a test and in words."""

    holds: Callable[[Any], bool]
    expected: str


def whole(least: int) -> Rule:
    """Return the rule of whole numbers from `least` on."""
    return Rule(
        lambda v: type(v) is int and least <= v < 2**31,
        f'a whole number of at least {least} and below 2^31',
    )


def number(low: float, high: float = math.inf) -> Rule:
    """Return the rule of finite numbers between two, both included."""
    expected = f'a number of at least {low:g}' + (f' and at most {high:g}' if high < 1e9 else '')
    return Rule(
        lambda v: type(v) in (int, float) and low <= v <= high and math.isfinite(v), expected
    )


def one_of(*values: str) -> Rule:
    """Return the rule of a choice."""
    return Rule(lambda v: v in values, ' or '.join(repr(v) for v in values))


PATH = Rule(lambda v: isinstance(v, str), 'a path')
SHARE = Rule(
    lambda v: type(v) in (int, float) and 0 <= v < 1, 'a number of at least 0 and below 1'
)
POSITIVE = Rule(lambda v: type(v) in (int, float) and 0 < v < math.inf, 'a number greater than 0')


def broken(settings: object, rules: Mapping[str, Rule], prefix: str = '') -> list[str]:
    """Say of each field that breaks its rule what it is, and what was expected."""
    return [
        f'{prefix}{name} is {getattr(settings, name)!r}, expected {rule.expected}'
        for name, rule in rules.items()
        if not rule.holds(getattr(settings, name))
    ]


def read_settings(path: Path, overrides: Mapping[str, object] | None = None) -> dict[str, Any]:
    """
    Return the mapping in a YAML file; `overrides` win, their keys dotted for what is nested.

    Raises:
        ConfigError: The file is no such mapping.
    """
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"'{path}': expected YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ConfigError(
            f"'{path}': expected a mapping of settings, found {type(values).__name__}"
        )
    return override(values, overrides or {})


def override(values: Mapping[str, Any], changes: Mapping[str, object]) -> dict[str, Any]:
    """Return a copy of settings with some of them changed, by keys dotted for what is nested."""
    changed = deepcopy(dict(values))
    for key, value in changes.items():
        _set(changed, key, value)
    return changed


def for_fields(values: Mapping[str, Any], kind: type[Any], where: str) -> dict[str, Any]:
    """Return values as the fields of a dataclass want them; `where` names their place.

    Raises:
        ConfigError: A key is no field.

    """
    known = {f.name: str(f.type) for f in fields(kind)}
    if unknown := sorted(str(key) for key in set(values) - set(known)):
        raise ConfigError(f'{where}: unknown keys {unknown}; known: {sorted(known)}')
    return {k: _typed(v, known[k]) for k, v in values.items()}


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
        inner = mapping(values.get(name), name)
        values[name] = inner
        values = inner
    values[last] = value


def mapping(value: Any, name: str) -> dict[str, Any]:
    """Return a nested mapping; an empty one for None."""
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
