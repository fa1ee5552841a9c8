# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.data.bdd_labels import ImageLabels, LabelledObject, Polyline
from model_tools.data.drivable_drawing import draw_drivable
from model_tools.data.problems import Problems

LEFT = [(0, 0), (9.9, 0), (9.9, 19), (0, 19)]
MIDDLE = [(5, 0), (14, 0), (14, 19), (5, 19)]


def draw(*areas):
    problems = Problems(1)
    objects = tuple(
        LabelledObject(category, None, (Polyline(np.array(points, np.float64), types, True),), {})
        for category, points, types in areas
    )
    labels = ImageLabels('a', {}, objects, where='labels/a.json')
    return draw_drivable(labels, (40, 20), problems), problems.summary()


@pytest.mark.parametrize(
    ('areas', 'merged', 'direct'),
    [
        pytest.param([], 0, 0, id='empty'),
        pytest.param([('area/drivable', LEFT)], 10, 10, id='direct'),
        pytest.param([('direct', LEFT)], 10, 10, id='direct of 2020'),
        pytest.param([('area/alternative', LEFT)], 10, 0, id='alternative'),
        pytest.param([('alternative', LEFT)], 10, 0, id='alternative of 2020'),
        pytest.param([('area/drivable', LEFT), ('area/alternative', MIDDLE)], 15, 10, id='both'),
        pytest.param([('area/alternative', MIDDLE), ('area/drivable', LEFT)], 15, 10, id='turned'),
        pytest.param([('area/unknown', LEFT), ('car', LEFT)], 0, 0, id='other'),
    ],
)
def test_draw_drivable(areas, merged, direct):
    masks, summary = draw(*((category, points, 'LLLL') for category, points in areas))
    for mask, width in zip(masks, (merged, direct), strict=True):
        assert mask.shape == (20, 40)
        assert mask.dtype == np.uint8
        assert (mask == 255).all(axis=0).sum() == width
        assert (mask > 0).sum() == 20 * width
    assert summary['dropped_objects'] == {}


def test_draw_drivable__bezier():
    # A hump over the level line: its top is three quarters up the control points.
    (merged, _), _ = draw(('direct', [(2, 18), (2, 2), (34, 2), (34, 18)], 'LCCC'))
    assert np.flatnonzero(merged[:, 18])[0] == 6
    assert not merged[:6].any()


def test_draw_drivable__two_points_are_dropped():
    (merged, _), summary = draw(('direct', [(2, 2), (9, 9)], 'LL'))
    assert not merged.any()
    assert summary['dropped_objects'] == {'short_polyline': 1}
    assert "'labels/a.json': a polyline needs 3 points" in summary['examples'][0]
