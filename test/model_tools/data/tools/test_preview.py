# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers import open_data
from model_tools.data.tools.preview import preview_sheet, spread_names, take_turns


@pytest.mark.parametrize(
    ('kinds', 'count', 'expected'),
    [
        ('', 3, []),
        ('a', 3, [0]),
        ('aaab', 0, []),
        ('aaab', 2, [0, 3]),
        ('aaab', 3, [0, 3, 1]),
        ('abcabc', 4, [0, 1, 2, 3]),
    ],
)
def test_take_turns(kinds, count, expected):
    assert take_turns(kinds, count) == expected


def problems():
    return Problems(100, limit=1)


def test_spread_names__finds_the_rare_condition(roads):
    for seed in range(20, 40):
        roads.write('train', f'more_{seed}', seed=seed, source='toy', timeofday='daytime')
    roads.write('train', 'rare', seed=50, source='toy', timeofday='dawn/dusk')
    data = open_data(roads.root)
    names = spread_names(data, 'train', 4, seed=0, problems=problems())
    assert 'rare' in names
    assert len(set(names)) == 4
    assert names == spread_names(data, 'train', 4, seed=0, problems=problems())
    assert names != spread_names(data, 'train', 4, seed=1, problems=problems())


def test_spread_names__fewer_than_asked_and_broken_ones_left_out(roads):
    roads.path('train', 'train_0').write_bytes(b'no image')
    found = problems()
    names = spread_names(open_data(roads.root), 'train', 24, seed=0, problems=found)
    assert sorted(names) == ['train_1', 'train_2', 'train_3']
    assert found.skipped == 1


@pytest.mark.parametrize(('count', 'columns', 'rows'), [(1, 1, 1), (4, 4, 1), (6, 4, 2)])
def test_preview_sheet__size(roads, count, columns, rows):
    data = open_data(roads.root / 'images')
    names = data.names('all')[:count]
    sheet = preview_sheet(data, 'all', names, problems=problems())
    assert sheet.shape == (rows * (270 + 34 + 4) + 4 + 24, columns * 484 + 4, 3)


def test_preview_sheet__nothing_to_show(roads):
    data = open_data(roads.root)
    with pytest.raises(ValueError, match='no image'):
        preview_sheet(data, 'val', ['unheard of'], problems=problems())
    with pytest.raises(DatasetError, match='test'):
        spread_names(data, 'test', 3, seed=0, problems=problems())


def test_preview_sheet__changes_with_the_labels(roads):
    data = open_data(roads.root)
    before = preview_sheet(data, 'val', ['val_4'], problems=problems())
    roads.path('val', 'val_4', 'record').write_text('{"name": "val_4", "labels": null}')
    after = preview_sheet(data, 'val', ['val_4'], problems=problems())
    assert before.shape == after.shape
    changed = np.argwhere((before != after).any(axis=2))
    assert len(changed)
