# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_tools.data.bdd_labels import Polyline
from model_tools.data.polylines import flatten, length, project, resample, subdivide
from model_tools.data.problems import Problems

BEZIER = [(0, 0), (0, 4), (4, 4), (4, 0)]
BEZIER_QUARTERS = [(0, 0), (0.625, 2.25), (2, 3), (3.375, 2.25), (4, 0)]
NAN = float('nan')

points = st.tuples(st.floats(-50, 1300), st.floats(-50, 800))
lines = st.lists(points, min_size=2, max_size=6, unique=True).map(np.array)


def flat(vertices, types, *, closed=False, step_px=3.0):
    problems = Problems(1)
    vertices = np.array(vertices, np.float64).reshape(-1, 2)
    result = flatten(
        Polyline(vertices, types, closed), problems=problems, where='a.json', step_px=step_px
    )
    return result, problems.summary()


@pytest.mark.parametrize(
    ('vertices', 'types', 'kind'),
    [
        ([], '', 'short_polyline'),
        ([(5, 5)], 'L', 'short_polyline'),
        ([(5, 5), (5, 5)], 'LL', 'short_polyline'),
        ([(0, 0), (NAN, 5)], 'LL', 'wild_polyline'),
        ([(0, 0), (1e9, 5)], 'LL', 'wild_polyline'),
        ([(0, 0), (5, -10_001)], 'LL', 'wild_polyline'),
    ],
)
def test_flatten__drops(vertices, types, kind):
    result, summary = flat(vertices, types)
    assert result.shape == (0, 2)
    assert summary['dropped_objects'] == {kind: 1}
    assert 'a.json' in summary['examples'][0]


def test_flatten__outline_of_two_points_is_dropped():
    result, summary = flat([(0, 0), (9, 9)], 'LL', closed=True)
    assert result.shape == (0, 2)
    assert summary['dropped_objects'] == {'short_polyline': 1}


@pytest.mark.parametrize(
    ('vertices', 'types', 'expected'),
    [
        ([(0, 0), (9, 0)], 'LL', [(0, 0), (9, 0)]),
        (BEZIER, 'LCCC', BEZIER_QUARTERS),
        (BEZIER, 'LCCL', BEZIER_QUARTERS),
        (BEZIER, 'CCCL', BEZIER_QUARTERS),
        ([(-9, 0), *BEZIER, (9, 0)], 'LLCCCL', [(-9, 0), *BEZIER_QUARTERS, (9, 0)]),
        (
            [*BEZIER, (4, -4), (8, -4), (8, 0)],
            'LCCCCCC',
            [*BEZIER_QUARTERS, (4.625, -2.25), (6, -3), (7.375, -2.25), (8, 0)],
        ),
    ],
)
def test_flatten(vertices, types, expected):
    result, summary = flat(vertices, types)
    np.testing.assert_allclose(result, expected, atol=1e-12)
    assert summary['dropped_objects'] == {}


@pytest.mark.parametrize(
    ('vertices', 'types'),
    [(BEZIER[:2], 'LC'), (BEZIER[:3], 'LCC'), (BEZIER, 'LCLL'), (BEZIER, 'LLCC')],
)
def test_flatten__incomplete_bezier_has_straight_edges(vertices, types):
    result, summary = flat(vertices, types)
    np.testing.assert_array_equal(result, vertices)
    assert summary['dropped_objects'] == {'bad_bezier': 1}


def test_flatten__outline_ends_where_it_starts():
    corners = [(0, 0), (9, 0), (9, 9)]
    np.testing.assert_array_equal(flat(corners, 'LLL', closed=True)[0], [*corners, (0, 0)])
    # Its last curve may end at the first vertex, which is not said twice.
    result, summary = flat([BEZIER[3], BEZIER[0], *BEZIER[1:3]], 'LLCC', closed=True)
    np.testing.assert_allclose(result, [(4, 0), *BEZIER_QUARTERS], atol=1e-12)
    assert summary['dropped_objects'] == {}


@given(lines, st.integers(2, 50))
def test_resample__keeps_both_ends_and_cuts_corners(line, count):
    result = resample(line, count)
    np.testing.assert_allclose(result[[0, -1]], line[[0, -1]], atol=1e-9)
    assert length(result) <= length(line) + 1e-6
    assert len(result) == count


def test_resample__is_even():
    result = resample(np.array([(0.0, 0), (4, 0), (4, 4)]), 5)
    np.testing.assert_allclose(result, [(0, 0), (2, 0), (4, 0), (4, 2), (4, 4)])


@given(lines, st.floats(1.0, 50.0))
def test_subdivide__keeps_the_shape(line, step):
    result = subdivide(line, step)
    assert length(result) == pytest.approx(length(line))
    assert np.linalg.norm(np.diff(result, axis=0), axis=1).max() <= step + 1e-9
    assert {tuple(p) for p in line} <= {tuple(p) for p in result}


def test_project():
    places, beside = project(
        np.array([(-3.0, 4), (0, 4), (5, -2), (10, 4), (13, 4)]), np.array([(0.0, 0), (10, 0)])
    )
    np.testing.assert_array_equal(places, [(0, 0), (0, 0), (5, 0), (10, 0), (10, 0)])
    np.testing.assert_array_equal(beside, [False, True, True, True, False])


def test_project__a_point_off_a_corner_is_beside():
    places, beside = project(np.array([(6.0, -1)]), np.array([(0.0, 0), (5, 0), (5, 5)]))
    np.testing.assert_array_equal(places, [(5, 0)])
    assert beside.all()
