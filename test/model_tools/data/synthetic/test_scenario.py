# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.data.synthetic.scenario import (
    LIGHTS,
    PLACES,
    WEATHERS,
    Scenario,
    ScenarioError,
    parse_scenario,
)


@pytest.mark.parametrize(
    ('text', 'fixed'),
    [
        ('mixed', {}),
        ('night', {'light': 'night'}),
        ('city-night-rain', {'place': 'city', 'light': 'night', 'weather': 'rain'}),
        ('fog-motorway', {'place': 'motorway', 'weather': 'fog'}),
    ],
)
def test_parse_scenario(text, fixed):
    assert parse_scenario(text) == fixed


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('', "unknown scenario word ''"),
        ('day-', "unknown scenario word ''"),
        ('moon', "unknown scenario word 'moon'"),
        ('day-night', 'gives the light twice'),
        ('glare-night', 'needs a sun'),
    ],
)
def test_parse_scenario__malformed(text, words):
    with pytest.raises(ScenarioError, match=words):
        parse_scenario(text)


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        ({'place': 'sea'}, "unknown place 'sea'"),
        ({'light': 'noon'}, "unknown light 'noon'"),
        ({'weather': 'snow'}, "unknown weather 'snow'"),
        ({'density': 1.1}, 'density is 0'),
        ({'density': float('nan')}, 'density is 0'),
        ({'light': 'night', 'weather': 'glare'}, 'needs a sun'),
    ],
)
def test_scenario__refuses(fields, words):
    with pytest.raises(ScenarioError, match=words):
        Scenario(**fields)


def test_draw__covers_all_conditions_and_keeps_what_is_fixed():
    rng = np.random.default_rng(0)
    drawn = [Scenario.draw(rng) for _ in range(300)]
    assert {scenario.place for scenario in drawn} == set(PLACES)
    assert {scenario.light for scenario in drawn} == set(LIGHTS)
    assert {scenario.weather for scenario in drawn} == set(WEATHERS)
    for fixed in ({'weather': 'glare'}, {'light': 'night'}, {'place': 'rural', 'weather': 'fog'}):
        for _ in range(100):
            scenario = Scenario.draw(rng, **fixed)
            assert fixed.items() <= vars(scenario).items()
