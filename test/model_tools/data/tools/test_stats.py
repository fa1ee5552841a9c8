# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np
import pytest

from model_tools.data.label_set import VEHICLE
from model_tools.data.readers import ReaderSettings, open_data
from model_tools.data.tools.stats import data_stats
from model_tools.data.tools.stats_plot import draw_stats
from model_tools.data.tools.stats_tables import stats_tables


@pytest.fixture
def stats(roads):
    return data_stats(open_data(roads.root))


def test_data_stats__counts(stats):
    assert stats['labels'] == ['vehicle', 'person', 'cycle']
    train = stats['splits']['train']
    assert (train['images'], train['groups']) == (4, 4)
    assert train['image_sizes'] == {'160x90': 4}
    assert train['labelled'] == {'boxes': 4, 'boxes_incomplete': 0, 'drivable': 4, 'lane': 4}
    assert train['attributes']['timeofday'] == {'daytime': 2, 'night': 2}
    assert train['attributes']['weather'] == {'unknown': 4}
    assert train['attributes']['source'] == {'toy': 4}
    assert json.loads(json.dumps(stats)) == stats


def test_data_stats__objects(stats):
    objects = stats['splits']['train']['objects']
    vehicle, person, cycle = (objects[label] for label in ('vehicle', 'person', 'cycle'))
    assert (vehicle['boxes'], vehicle['crowd'], vehicle['images']) == (4, 0, 4)
    assert (person['boxes'], person['crowd'], person['images']) == (0, 4, 0)
    assert vehicle['by_height'] == {'<16': 0, '16-32': 4, '>32': 0}
    assert vehicle['height_px']['median'] == 20
    edges, counts = (vehicle['height_px'][key] for key in ('edges', 'counts'))
    assert len(edges) == len(counts)
    assert counts[edges.index(16)] == 4  # 16 to 22.6 px
    assert person['height_px']['mean'] is cycle['height_px']['mean'] is None
    an_image = stats['splits']['train']['boxes_an_image']
    assert (an_image['mean'], an_image['max'], an_image['counts'][0]) == (1, 1, 4)


def test_data_stats__masks(stats):
    drivable, lane = (stats['splits']['val']['masks'][task] for task in ('drivable', 'lane'))
    # 36 of the 81 rows that are known, 9 of 90 rows are not; half the rows of 16 of 160 columns.
    assert drivable['class']['mean'] == pytest.approx(36 / 81, abs=1e-4)
    assert drivable['ignore']['mean'] == pytest.approx(0.1)
    assert lane['class']['mean'] == pytest.approx(0.05)
    assert lane['class']['counts'][-1] == 2
    assert lane['ignore']['max'] == 0


def test_data_stats__heat(stats):
    heat = {key: np.array(value) for key, value in stats['splits']['val']['heat'].items()}
    assert {value.shape for value in heat.values()} == {(18, 32)}
    expected = np.zeros((18, 32))
    expected[4:8, 2:6] = 1  # 5 px a cell; the crowd box is left out
    np.testing.assert_array_equal(heat['boxes'], expected)
    expected = np.zeros((18, 32))
    expected[9:, 16:19] = 1
    expected[9:, 19] = 0.2
    np.testing.assert_allclose(heat['lane'], expected, atol=1e-4)
    # Rows 45 to 53 are not known: of the cells of rows 50 to 54, the last row alone counts.
    assert heat['drivable'][:10].max() == 0
    assert heat['drivable'][10:].min() == 1


def test_data_stats__broken_images_and_objects_are_told(roads):
    roads.path('val', 'val_4').write_bytes(b'no image')
    odd = {'category': 'car', 'box2d': {'x1': 30, 'y1': 10, 'x2': 20, 'y2': 40}}
    roads.write('val', 'odd', seed=9, objects=[odd])
    problems = data_stats(open_data(roads.root), ['val'])['splits']['val']['problems']
    assert problems['skipped'] == 1
    assert sum(problems['dropped_objects'].values()) == 1


@pytest.mark.parametrize('case', ['one split', 'plain images', 'all broken', 'one label'])
def test_stats__are_drawn_and_listed(roads, tmp_path, case):
    data, splits = open_data(roads.root), None
    if case == 'one split':
        splits = ['val']
    elif case == 'plain images':
        data = open_data(roads.root / 'images')
    elif case == 'one label':
        data = open_data(roads.root, ReaderSettings(labels=VEHICLE))
    else:
        for path in (roads.root / 'images').rglob('*.jpg'):
            path.write_bytes(b'no image')
    stats = data_stats(data, splits)
    tables = stats_tables(stats)
    for split in stats['splits']:
        assert f'\n{split}' in tables
    draw_stats(stats, tmp_path / 'stats.png')
    assert cv2.imread(str(tmp_path / 'stats.png')).shape[1] == 1650


def test_stats_tables__rows(stats):
    rows = [line.split() for line in stats_tables(stats).splitlines()]
    assert ['train', 'vehicle', '4', '0', '4', '0', '4', '0', '20.0'] in rows
    assert ['val', 'drivable', '2', '44.4%', '10.0%'] in rows
    assert ['timeofday', 'night', '50.0%', '50.0%'] in rows
    assert not any(row[:1] == ['weather'] for row in rows)
