# SPDX-License-Identifier: Apache-2.0
"""How strongly training pictures are changed at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Augmentation:
    """Probabilities and ranges of the random changes; the default changes nothing."""

    scale: tuple[float, float] = (1.0, 1.0)
    """Least and greatest zoom, drawn evenly in its logarithm."""
    shift: float = 0.0
    """Greatest shift in x and in y, as a share of the picture's sides."""
    rotate: float = 0.0
    """Greatest rotation either way, degrees."""
    shear: float = 0.0
    """Greatest horizontal shear either way, degrees."""
    flip: float = 0.0
    """Probability, as all that follow."""
    mosaic: float = 0.0
    """Four pictures in one."""
    copy_paste: float = 0.0
    """One to three objects of other pictures."""
    colour: float = 0.0
    night: float = 0.0
    rain: float = 0.0
    fog: float = 0.0
    glare: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    jpeg: float = 0.0

    def __post_init__(self) -> None:
        limits = {'rotate': 45, 'shear': 45}
        for name in [f.name for f in fields(self) if f.name != 'scale']:
            value, limit = getattr(self, name), limits.get(name, 1)
            if not _is_number(value) or not 0 <= value <= limit:
                raise ValueError(f'augmentation: {name} is 0 to {limit}, found {value!r}')
        if not _is_range(self.scale):
            raise ValueError(
                'augmentation: scale is the least and the greatest zoom, two numbers of 0.1 to '
                f'10, found {self.scale!r}'
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Augmentation:
        """Return TRAINING with the given values; a key that is no setting is refused by name."""
        known = [f.name for f in fields(cls)]
        if unknown := sorted(map(str, set(values) - set(known))):
            raise ValueError(f'augmentation: unknown keys {unknown}; known: {known}')
        fixed = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**{**asdict(TRAINING), **fixed})


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_range(value: object) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and all(map(_is_number, value))
        and 0.1 <= value[0] <= value[1] <= 10
    )


TRAINING = Augmentation(
    scale=(0.8, 1.7),
    shift=0.1,
    rotate=1.5,
    shear=1.5,
    flip=0.5,
    mosaic=0.3,
    colour=0.8,
    night=0.3,
    rain=0.08,
    fog=0.08,
    glare=0.1,
    blur=0.1,
    noise=0.15,
    jpeg=0.1,
)
