# SPDX-License-Identifier: Apache-2.0
"""What a PanopticNet is built from: four sizes, or widths of your own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, get_args

from model_tools.networks.attention import HEADS
from model_tools.networks.blocks import Activation, Convolution

SIZES: dict[str, dict[str, Any]] = {
    'n': {
        'convolution': 'separable',
        'backbone_widths': (16, 32, 64, 128, 256),
        'detection_width': 64,
        'segmentation_width': 32,
    },
    's': {
        'backbone_widths': (16, 32, 64, 128, 256),
        'detection_width': 64,
        'segmentation_width': 32,
    },
    'm': {
        'backbone_widths': (32, 64, 128, 256, 512),
        'detection_width': 96,
        'segmentation_width': 48,
    },
    'l': {
        'backbone_widths': (48, 96, 192, 384, 768),
        'detection_width': 192,
        'segmentation_width': 64,
    },
}
"""Settings of each size that differ from the defaults; `model_tools summary` tells their cost.

`n` has the shapes of YOLOX-nano, whose public weights it can begin with if `activation` is `silu`,
as theirs.
"""

WIDEST, DEEPEST = 2048, 64
"""Beyond what anyone builds for a vehicle: more is an error in a file, and fills the memory."""


class NetworkConfigError(ValueError):
    """A network is described by an unknown key or by a value that cannot be built."""


@dataclass(frozen=True)
class NetworkConfig:
    """Kinds of blocks, widths and depths; it travels with every checkpoint."""

    labels: tuple[str, ...] = ('vehicle', 'person', 'cycle')
    convolution: Convolution = 'dense'
    activation: Activation = 'relu'
    backbone_widths: tuple[int, int, int, int, int] = (16, 32, 64, 128, 256)
    """Of the stem (stride 2) and of the stages at strides 4, 8, 16, 32."""
    backbone_depths: tuple[int, int, int, int] = (1, 3, 3, 1)
    encoder_depth: int = 1
    attention: bool = False
    """Whether every cell at stride 32 looks at all others before the encoder."""
    detection_width: int = 64
    segmentation_width: int = 32
    channels: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Inputs and outputs of convolutions, by name, of which pruning has left fewer."""

    def __post_init__(self) -> None:
        for key, (holds, expected) in _RULES.items():
            if not holds(value := getattr(self, key)):
                raise NetworkConfigError(f'network.{key} is {value!r}, expected {expected}')
        if self.attention and self.backbone_widths[-1] % (4 * HEADS):
            raise NetworkConfigError(
                f'network.backbone_widths end with {self.backbone_widths[-1]}, expected a '
                f'multiple of {4 * HEADS} for attention'
            )

    def to_dict(self) -> dict[str, object]:
        """Return plain values, as stored in a checkpoint."""
        return _sequences_as(list, asdict(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NetworkConfig:
        """Read `to_dict`, or settings in which `size` (n, s, m, l) stands for its widths.

        Keys beside `size` override it.
        """
        values = dict(values)
        size = values.pop('size', None)
        if size is not None and size not in list(SIZES):
            raise NetworkConfigError(f'network.size is {size!r}; expected one of {list(SIZES)}')
        known = [f.name for f in fields(cls)]
        if unknown := sorted(map(str, set(values) - set(known))):
            raise NetworkConfigError(f'network: unknown keys {unknown}; known: {["size", *known]}')
        merged: dict[str, Any] = {**(SIZES[size] if size else {}), **values}
        return cls(**_sequences_as(tuple, merged))


def _sequences_as(kind: type[list] | type[tuple], value: Any) -> Any:
    """Return a value whose lists and tuples, also those within mappings, are all of one kind."""
    if isinstance(value, Mapping):
        return {k: _sequences_as(kind, v) for k, v in value.items()}
    return kind(value) if isinstance(value, list | tuple) else value


def _is_width(value: Any) -> bool:
    return type(value) is int and 2 <= value <= WIDEST and value % 2 == 0


def _is_depth(value: Any) -> bool:
    return type(value) is int and 1 <= value <= DEEPEST


def _are(holds: Callable[[Any], bool], count: int) -> Callable[[Any], bool]:
    return lambda v: isinstance(v, tuple) and len(v) == count and all(map(holds, v))


def _are_names(value: Any) -> bool:
    return isinstance(value, tuple) and value != () and all(isinstance(v, str) for v in value)


def _are_channels(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and _are(lambda v: type(v) is int and v >= 1, 2)(pair)
        for name, pair in value.items()
    )


_WIDTH = (_is_width, f'an even number of 2 to {WIDEST}')
_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    'labels': (_are_names, 'a list of names'),
    'convolution': (lambda v: v in get_args(Convolution), f'one of {get_args(Convolution)}'),
    'activation': (lambda v: v in get_args(Activation), f'one of {get_args(Activation)}'),
    'backbone_widths': (
        _are(_is_width, 5),
        f'five even numbers of 2 to {WIDEST}',
    ),
    'backbone_depths': (
        _are(_is_depth, 4),
        f'four whole numbers of 1 to {DEEPEST}',
    ),
    'encoder_depth': (_is_depth, f'a whole number of 1 to {DEEPEST}'),
    'attention': (lambda v: isinstance(v, bool), 'true or false'),
    'detection_width': _WIDTH,
    'segmentation_width': _WIDTH,
    'channels': (_are_channels, 'numbers of inputs and outputs by name of convolution'),
}
