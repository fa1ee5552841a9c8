# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from model_tools.data.holdout import held_out_part, hold_out
from model_tools.data.problems import DatasetError
from model_tools.data.readers import open_data

RIDES = ['00a1-7f', '00a1-80', '01c4-80', 'erfurt', '00a1-7f']


@pytest.mark.parametrize(
    ('groups', 'patterns', 'expected'),
    [
        ([], [], ([], [])),
        (RIDES, [], ([0, 1, 2, 3, 4], [])),
        (RIDES, ['erfurt'], ([0, 1, 2, 4], [3])),
        (['Erfurt', 'erfurt 2'], [], ([0, 1], [])),
        (RIDES, ['erfurt', '00a1*', '*7f'], ([2], [0, 1, 3, 4])),
        (RIDES, ['*'], ([], [0, 1, 2, 3, 4])),
    ],
)
def test_hold_out(groups, patterns, expected):
    assert hold_out(groups, patterns, Path('roads'), 'name others') == expected


@pytest.mark.parametrize('groups', [[], RIDES])
def test_hold_out__a_group_that_is_not_there(groups):
    with pytest.raises(
        DatasetError, match=r"'a/\{\}': .* no group \['02\*', 'x'\].*: name others"
    ):
        hold_out(groups, ['x', *set(groups), '02*'], Path('a/{}'), 'name others')


def test_held_out_part(road_folder):
    part = held_out_part(open_data(road_folder), ['road_[67]'], max_skipped=0)
    assert part.names('train') == ['road_6', 'road_7']
    assert part.names('val') == []
    with pytest.raises(
        DatasetError, match=r"no group \['erfurt'\].*: give the data of the training"
    ):
        held_out_part(open_data(road_folder), ['erfurt'], max_skipped=0)
