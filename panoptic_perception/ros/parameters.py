# SPDX-License-Identifier: Apache-2.0
"""The node's parameters: one table for defaults, ranges, descriptions and change rules."""

from __future__ import annotations

import dataclasses
import difflib
import enum
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.lifecycle import LifecycleNode
from rclpy.parameter import Parameter

from panoptic_perception.core.results import Thresholds
from panoptic_perception.engines import DEVICES, ENGINES, PRECISIONS, PROVIDER_POLICIES

Value = bool | int | float | str


class ParameterError(ValueError):
    """A parameter value that the node refuses, with the reason."""


class Change(enum.Enum):
    """When a parameter may be changed."""

    START = 'Only at start.'
    CONFIGURE = 'Only while the node is unconfigured.'
    LIVE = 'At any time; holds from the next frame on.'


@dataclass(frozen=True)
class Rule:
    """What a value must satisfy; `unset` is one more legal value beside the range."""

    description: str
    change: Change
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    unset: float | None = None

    def constraint(self) -> str:
        """Say in words which values are legal, '' if all are."""
        if self.choices:
            return f'one of {", ".join(self.choices)}'
        if self.low is None:
            return ''
        unset = '' if self.unset is None else f'{self.unset:g} or '
        return f'{unset}{self.low:g} to {self.high:g}'

    def accepts(self, value: Value) -> bool:
        if self.choices:
            return value in self.choices
        if self.low is None or self.high is None or isinstance(value, str):
            return True
        return value == self.unset or self.low <= value <= self.high


def _parameter(default: Value, description: str, change: Change, **limits: Any) -> Any:
    rule = Rule(description, change, **limits)
    return dataclasses.field(default=default, metadata={'rule': rule})


@dataclass(frozen=True)
class Settings:
    """Every parameter of the node, at its default unless told otherwise."""

    autostart: bool = _parameter(
        True, 'Configure and activate without waiting for a lifecycle manager.', Change.START
    )
    model: str = _parameter(
        '',
        'Path of the model file (.onnx), or the name of a shipped one; empty: panoptic.onnx.',
        Change.CONFIGURE,
    )
    engine: str = _parameter(
        'auto',
        'Library that runs the model.',
        Change.CONFIGURE,
        choices=ENGINES,
    )
    device: str = _parameter(
        'auto',
        'Device that runs the model.',
        Change.CONFIGURE,
        choices=DEVICES,
    )
    precision: str = _parameter(
        'auto',
        'Arithmetic of the network; auto is that of the model file, on TensorRT fp16.',
        Change.CONFIGURE,
        choices=PRECISIONS,
    )
    provider_policy: str = _parameter(
        'strict',
        'What happens if engine, device or precision cannot be had: strict refuses to configure, '
        'fallback warns and runs what can be had.',
        Change.CONFIGURE,
        choices=PROVIDER_POLICIES,
    )
    threads: int = _parameter(
        0, 'Threads of the engine; 0 means its safe default.', Change.CONFIGURE, low=0, high=64
    )
    image_transport: str = _parameter(
        'raw',
        'Subscribe to image (raw) or to image/compressed (compressed).',
        Change.CONFIGURE,
        choices=('raw', 'compressed'),
    )
    image_reliability: str = _parameter(
        'best_effort',
        'Reliability asked of the camera; best_effort matches every publisher.',
        Change.CONFIGURE,
        choices=('best_effort', 'reliable'),
    )
    image_depth: int = _parameter(
        1, 'Images that DDS keeps for the node.', Change.CONFIGURE, low=1, high=100
    )
    input_timeout_s: float = _parameter(
        5.0,
        'Silence of the camera, s, after which the node warns.',
        Change.LIVE,
        low=0.5,
        high=3600.0,
    )
    max_age_ms: int = _parameter(
        0,
        'Images older than this, ms after their stamp, are dropped; 0 turns the limit off.',
        Change.LIVE,
        low=0,
        high=3_600_000,
    )
    max_image_side: int = _parameter(
        8192, 'Larger images, pixels on either side, are refused.', Change.LIVE, low=16, high=16384
    )
    score_threshold: float = _parameter(
        -1.0,
        'Least score of a published box; -1 takes the value of the model file.',
        Change.LIVE,
        low=0.0,
        high=1.0,
        unset=-1.0,
    )
    drivable_threshold: float = _parameter(
        -1.0,
        'Least probability of drivable area; -1 takes the value of the model file.',
        Change.LIVE,
        low=0.0,
        high=1.0,
        unset=-1.0,
    )
    lane_threshold: float = _parameter(
        -1.0,
        'Least probability of a lane line; -1 takes the value of the model file.',
        Change.LIVE,
        low=0.0,
        high=1.0,
        unset=-1.0,
    )
    mask_resolution: Literal['source', 'model'] = _parameter(
        'source',
        'Size of the masks: that of the camera image or the smaller one of the network.',
        Change.LIVE,
        choices=('source', 'model'),
    )
    overlay_rate_hz: float = _parameter(
        10.0,
        'Most overlays drawn a second, while somebody watches.',
        Change.LIVE,
        low=0.1,
        high=60.0,
    )
    overlay_jpeg_quality: int = _parameter(
        80, 'JPEG quality of overlay/compressed.', Change.LIVE, low=1, high=100
    )

    def thresholds(self, model: Thresholds) -> Thresholds:
        """Return the thresholds in force with a model file of these defaults."""
        return Thresholds(
            score=self.score_threshold if self.score_threshold >= 0 else model.score,
            drivable=self.drivable_threshold if self.drivable_threshold >= 0 else model.drivable,
            lane=self.lane_threshold if self.lane_threshold >= 0 else model.lane,
        )

    def changed(self, changes: Mapping[str, object]) -> Settings:
        """Return a copy with all changes, or raise ParameterError and change nothing."""
        checked: dict[str, Any] = {name: _checked(name, value) for name, value in changes.items()}
        return dataclasses.replace(self, **checked)


FIELDS = {item.name: item for item in dataclasses.fields(Settings)}


def _checked(name: str, value: Any) -> Value:
    """Return the value in the type of its parameter, or raise ParameterError."""
    default: Any = FIELDS[name].default
    rule: Rule = FIELDS[name].metadata['rule']
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(default):
        raise ParameterError(
            f'{name} must be of type {type(default).__name__}, '
            f'got {value!r} of type {type(value).__name__}'
        )
    if (isinstance(value, float) and not math.isfinite(value)) or not rule.accepts(value):
        raise ParameterError(f'{name} must be {rule.constraint()}, got {value!r}')
    return value


def descriptor(name: str) -> ParameterDescriptor:
    """Describe a parameter for `ros2 param describe` and for parameter editors."""
    default: Any = FIELDS[name].default
    rule: Rule = FIELDS[name].metadata['rule']
    result = ParameterDescriptor(
        name=name,
        description=f'{rule.description} {rule.change.value}',
        additional_constraints=rule.constraint(),
        read_only=rule.change is Change.START,
        # `ros2 param set NODE score_threshold 1` sends an integer: take it as 1.0.
        dynamic_typing=isinstance(default, float),
    )
    if rule.low is None:
        return result
    low = rule.low if rule.unset is None else min(rule.low, rule.unset)
    if isinstance(default, float):
        result.floating_point_range = [FloatingPointRange(from_value=low, to_value=rule.high)]
    else:
        result.integer_range = [IntegerRange(from_value=low, to_value=rule.high)]
    return result


def unknown_override_warnings(unknown: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return one sentence for each unknown name, with the known one that is most like it."""
    known = sorted(known)
    return [
        f'parameter {name!r} is not known and was ignored; '
        f'the closest one is {difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]!r}'
        for name in sorted(unknown)
    ]


class NodeParameters:
    """
    The settings of a node: declared from the table, checked, and changed all at once.

    `settings` is replaced as a whole, so a reader in another thread sees a change entirely or
    not at all; `on_change` is called after that.
    """

    def __init__(
        self,
        node: LifecycleNode,
        *,
        is_unconfigured: Callable[[], bool],
        on_change: Callable[[], None],
    ) -> None:
        # The public interface shows an override only once its name is declared.
        overrides = node._parameter_overrides
        self._is_unconfigured = is_unconfigured
        self._on_change = on_change
        self.settings = Settings().changed(
            {name: overrides[name].value for name in FIELDS if name in overrides}
        )
        for name in FIELDS:
            node.declare_parameter(
                name, getattr(self.settings, name), descriptor(name), ignore_override=True
            )
        known = [name for name in (*FIELDS, 'use_sim_time') if node.has_parameter(name)]
        unknown = [name for name in overrides if not node.has_parameter(name)]
        for warning in unknown_override_warnings(unknown, known):
            node.get_logger().warning(warning)
        node.add_on_set_parameters_callback(self._on_set)

    def _on_set(self, parameters: list[Parameter]) -> SetParametersResult:
        changes = {item.name: item.value for item in parameters if item.name in FIELDS}
        try:
            settings = self.settings.changed(changes)
            for name in changes:
                if getattr(settings, name) != getattr(self.settings, name):
                    self._check_moment(name)
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        # Taken over here, not in a post-set callback: Humble has none.
        self.settings = settings
        self._on_change()
        return SetParametersResult(successful=True)

    def _check_moment(self, name: str) -> None:
        change = FIELDS[name].metadata['rule'].change
        if change is Change.CONFIGURE and not self._is_unconfigured():
            raise ParameterError(
                f'{name} can be changed only while the node is unconfigured: '
                'deactivate it and clean it up first'
            )
