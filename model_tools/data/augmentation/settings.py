# SPDX-License-Identifier: Apache-2.0
"""How strongly training pictures are changed at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from model_tools.settings import ConfigError, Rule, broken, for_fields, number


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
        if wrong := broken(self, _RULES, 'augmentation.'):
            raise ConfigError(f'settings out of range: {"; ".join(wrong)}')

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Augmentation:
        """Return TRAINING with the given values; a key that is no setting is refused by name."""
        return cls(**{**asdict(TRAINING), **for_fields(values, cls, 'augmentation')})


def _is_range(value: Any) -> bool:
    is_pair = isinstance(value, tuple) and len(value) == 2
    return is_pair and all(map(_ZOOM.holds, value)) and value[0] <= value[1]


_ZOOM = number(0.1, 10)
_RULES = {
    **{field.name: number(0, 1) for field in fields(Augmentation)},
    'scale': Rule(_is_range, 'the least and the greatest zoom, two numbers of 0.1 to 10'),
    'rotate': number(0, 45),
    'shear': number(0, 45),
}
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
