# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest

from model_tools.data.bdd_labels import is_known, parse_file, parse_record
from model_tools.data.problems import DatasetError

BOX = {'x1': 1, 'y1': 2.5, 'x2': 3, 'y2': 4}
LINE_2018 = [[1, 2, 'L'], [3, 4, 'C'], [5, 6, 'C'], [7, 8, 'C']]
LINE_2020 = {'vertices': [[1, 2], [3, 4]], 'types': 'LL', 'closed': False}


def _old(*objects, **values):
    return {'name': 'n', 'frames': [{'timestamp': 0, 'objects': list(objects)}], **values}


def _new(*labels, **values):
    return {'name': 'n.jpg', 'labels': list(labels), **values}


@pytest.mark.parametrize(
    ('record', 'categories'),
    [
        ({'name': 'n'}, []),  # det_20 has images without labels
        ({'name': 'n', 'labels': None}, []),
        (_new(), []),
        (_old(), []),
        ({'frames': []}, []),
        ({'frames': [{'objects': None}]}, []),
        ({'frames': [{'objects': [{'category': 'a'}]}, {'objects': [{'category': 'b'}]}]}, 'ab'),
        (_new({'category': 'car', 'box2d': BOX}), ['car']),
        (_new({'category': 'lane', 'attributes': {'laneTypes': 'road curb'}}), ['lane/road curb']),
        (_new({'category': 'lane'}), ['lane/unknown']),
        (
            _new({'category': 'drivable area', 'attributes': {'areaType': 'direct'}}),
            ['area/drivable'],
        ),
        (
            _new({'category': 'drivable area', 'attributes': {'areaType': 'alternative'}}),
            ['area/alternative'],
        ),
        (
            _new({'category': 'drivable area', 'attributes': {'areaType': 'unknown'}}),
            ['area/unknown'],  # as in the single files: neither of the two
        ),
        (_new({'category': 'single white'}), ['single white']),
    ],
)
def test_parse_record__forms(record, categories):
    assert [o.category for o in parse_record(record, 'w').objects] == list(categories)


def test_parse_record__values():
    attributes = {'weather': 'clear', 'hour': 7}
    item = {'category': 'car', 'attributes': {'crowd': True}, 'box2d': BOX}
    labels = parse_record(_old(item, attributes=attributes), 'w')
    assert (labels.name, labels.where) == ('n', 'w')
    assert labels.attributes == {'weather': 'clear', 'hour': '7'}
    (found,) = labels.objects
    assert found.box == (1.0, 2.5, 3.0, 4.0)
    assert found.polylines == ()
    assert found.attributes == {'crowd': True}


@pytest.mark.parametrize(
    ('item', 'types', 'closed', 'vertices'),
    [
        ({'category': 'lane/single white', 'poly2d': LINE_2018}, 'LCCC', False, 4),
        ({'category': 'area/drivable', 'poly2d': LINE_2018}, 'LCCC', True, 4),
        ({'category': 'lane/single white', 'poly2d': [[1, 2]]}, 'L', False, 1),
        ({'category': 'single white', 'poly2d': [LINE_2020]}, 'LL', False, 2),
        ({'category': 'direct', 'poly2d': [{**LINE_2020, 'closed': True}]}, 'LL', True, 2),
        ({'category': 'direct', 'poly2d': [{'vertices': [[1, 2]]}]}, 'L', False, 1),
    ],
)
def test_parse_record__polylines(item, types, closed, vertices):
    (line,) = parse_record(_new(item), 'w').objects[0].polylines
    assert (line.types, line.closed) == (types, closed)
    assert line.vertices.dtype == np.float64
    expected = [[1, 2], [3, 4], [5, 6], [7, 8]][:vertices]
    np.testing.assert_array_equal(line.vertices, expected)


def test_parse_record__several_polylines_and_none():
    item = {'category': 'direct', 'poly2d': [LINE_2020, LINE_2020]}
    assert len(parse_record(_new(item), 'w').objects[0].polylines) == 2
    empty = {'category': 'direct', 'poly2d': []}
    assert parse_record(_new(empty), 'w').objects[0].polylines == ()


def _line(**changes):
    return _new({'category': 'lane', 'poly2d': [{**LINE_2020, **changes}]})


@pytest.mark.parametrize(
    ('record', 'message'),
    [
        (None, 'a record to be a mapping, found None'),
        ([], 'a record to be a mapping'),
        ('text', 'a record to be a mapping'),
        ({}, "'frames' or 'labels'"),
        ({'name': 3, 'labels': []}, 'name to be text, found 3'),
        (_new(attributes=[1]), 'attributes to be a mapping'),
        ({'frames': {}}, 'frames to be a list'),
        ({'frames': [3]}, 'a frame to be a mapping'),
        ({'frames': [{'objects': {'a': 1}}]}, 'objects to be a list'),
        ({'labels': 'car'}, 'labels to be a list'),
        (_new('car'), 'an object to be a mapping'),
        (_new({'box2d': BOX}), 'an object to name its category, found None'),
        (_new({'category': ['car']}), 'an object to name its category'),
        (_new({'category': 'car', 'attributes': 'crowd'}), 'attributes to be a mapping'),
        (_new({'category': 'car', 'box2d': [1, 2, 3, 4]}), 'box2d to be a mapping'),
        (_new({'category': 'car', 'box2d': {'x1': 1}}), 'y1 to be a finite number, found None'),
        (_new({'category': 'car', 'box2d': {**BOX, 'x1': '1'}}), "x1 to be a finite.*'1'"),
        (_new({'category': 'car', 'box2d': {**BOX, 'y2': float('nan')}}), 'y2 to be.*found nan'),
        (_new({'category': 'car', 'box2d': {**BOX, 'y2': True}}), 'y2 to be a finite number'),
        (_new({'category': 'car', 'box2d': {**BOX, 'y2': 10**400}}), 'y2 to be a finite number'),
        (_new({'category': 'car', 'box2d': {**BOX, 'y2': -1e999}}), 'y2 to be.*found -inf'),
        (_new({'category': 'lane', 'poly2d': 'LL'}), 'poly2d to be a list'),
        (_new({'category': 'lane', 'poly2d': [LINE_2020, 3]}), 'poly2d to be a mapping'),
        (_new({'category': 'lane', 'poly2d': [3]}), 'a vertex to be a list'),
        (_new({'category': 'lane', 'poly2d': [[1, 2, 'Q']]}), "one 'L' or 'C' for each of 1"),
        (_new({'category': 'lane', 'poly2d': [[1]]}), 'a vertex of two numbers'),
        (_line(vertices=None), 'vertices to be a list'),
        (_line(vertices=[[1, 'a'], [2, 3]]), "a vertex to be a finite number, found 'a'"),
        (_line(types='L'), "one 'L' or 'C' for each of 2 vertices, found 'L'"),
    ],
)
def test_parse_record__other_shape_is_named(record, message):
    with pytest.raises(DatasetError, match=message) as error:
        parse_record(record, 'folder/labels.json')
    assert str(error.value).startswith("'folder/labels.json': expected")
    assert error.value.kind == 'bad_labels'


@pytest.mark.parametrize(
    ('value', 'names'),
    [
        ([], []),
        (_old(), ['n']),
        (_new(), ['n.jpg']),
        ([_new(), _new(name='m.jpg')], ['n.jpg', 'm.jpg']),
        ({'frames': [_new()]}, ['n.jpg']),
        ({'frames': [], 'config': {}}, []),
        ({'frames': [{'objects': []}]}, ['']),
        ({'name': 'n', 'frames': []}, ['n']),
    ],
)
def test_parse_file__one_or_many(value, names):
    assert [r.name for r in parse_file(json.dumps(value).encode(), 'w')] == names


@pytest.mark.parametrize('text', [b'', b'{', b'not json', b'\xff\xfe\x00', b'[' * 100_000])
def test_parse_file__not_json(text):
    with pytest.raises(DatasetError, match=r"'w\.json': expected JSON") as error:
        parse_file(text, 'w.json')
    assert error.value.kind == 'bad_json'


@pytest.mark.parametrize(
    ('category', 'known'),
    [
        ('car', True),
        ('traffic sign', True),
        ('lane/single white', True),
        ('area/unknown', True),
        ('single yellow', True),
        ('alternative', True),
        ('tram', False),
        ('', False),
    ],
)
def test_is_known(category, known):
    assert is_known(category) == known
