# SPDX-License-Identifier: Apache-2.0
"""What a drive looks like: the place, the light, the weather and the traffic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PLACES = ('city', 'suburb', 'rural', 'motorway')
LIGHTS = ('day', 'dusk', 'night')
WEATHERS = ('clear', 'rain', 'fog', 'glare')

# Shares of a mixed data set: daylight and dry roads are what most cameras see.
_PLACE_SHARES = (0.38, 0.24, 0.14, 0.24)
_LIGHT_SHARES = (0.70, 0.12, 0.18)
_WEATHER_SHARES = (0.70, 0.12, 0.09, 0.09)


class ScenarioError(ValueError):
    """A scenario was asked for that does not exist."""


@dataclass(frozen=True)
class Scenario:
    """The conditions of one drive; `density` is the traffic, 0 (empty) to 1 (queues)."""

    place: str = 'city'
    light: str = 'day'
    weather: str = 'clear'
    density: float = 0.5

    def __post_init__(self) -> None:
        for name, value, known in (
            ('place', self.place, PLACES),
            ('light', self.light, LIGHTS),
            ('weather', self.weather, WEATHERS),
        ):
            if value not in known:
                raise ScenarioError(
                    f'unknown {name} {value!r}: expected one of {", ".join(known)}'
                )
        if not 0.0 <= self.density <= 1.0:
            raise ScenarioError(f'density is 0 (empty) to 1 (queues), found {self.density}')
        if self.weather == 'glare' and self.light == 'night':
            raise ScenarioError('sun glare needs a sun: choose light day or dusk, found night')

    @property
    def lamps_on(self) -> bool:
        """Say whether vehicles drive with their lamps on."""
        return self.light != 'day' or self.weather in ('rain', 'fog')

    @classmethod
    def draw(cls, rng: np.random.Generator, **fixed: str) -> Scenario:
        """Draw a scenario at random; the fields in `fixed` keep their values."""
        chosen = {
            'place': str(rng.choice(PLACES, p=_PLACE_SHARES)),
            'light': str(rng.choice(LIGHTS, p=_LIGHT_SHARES)),
            'weather': str(rng.choice(WEATHERS, p=_WEATHER_SHARES)),
        }
        density = float(rng.uniform(0.15, 0.95))
        # Sun glare and night exclude each other: what was asked for wins over what was drawn.
        if fixed.get('weather') == 'glare' and 'light' not in fixed:
            chosen['light'] = 'dusk' if chosen['light'] == 'night' else chosen['light']
        chosen.update(fixed)
        if chosen['light'] == 'night' and 'weather' not in fixed and chosen['weather'] == 'glare':
            chosen['weather'] = 'clear'
        return cls(density=density, **chosen)


def parse_scenario(text: str) -> dict[str, str]:
    """
    Read words such as `night-rain` or `motorway-day` into the fields that they fix.

    `mixed` fixes nothing. Raises ScenarioError for a word that is unknown or given twice.
    """
    fixed: dict[str, str] = {}
    for word in text.split('-') if text != 'mixed' else ():
        field = _FIELD_OF_WORD.get(word)
        if field is None:
            raise ScenarioError(
                f'unknown scenario word {word!r} in {text!r}: expected "mixed" or words of '
                f'{", ".join(_FIELD_OF_WORD)} joined by "-"'
            )
        if field in fixed:
            raise ScenarioError(f'scenario {text!r} gives the {field} twice: keep one')
        fixed[field] = word
    if fixed.get('weather') == 'glare' and fixed.get('light') == 'night':
        raise ScenarioError(f'sun glare needs a sun: found {text!r}, drop "night" or "glare"')
    return fixed


_FIELD_OF_WORD = {
    word: field
    for field, words in (('place', PLACES), ('light', LIGHTS), ('weather', WEATHERS))
    for word in words
}
