# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_tools.data.lane_pairing import (
    LIMIT_PX,
    Edge,
    centre_line,
    centre_lines,
    distance_limit,
    pair_markings,
)

HEIGHT = 720
WHITE = ('single white', 'parallel')
YELLOW = ('double yellow', 'parallel')


def edge(*points, kind=WHITE):
    return Edge(kind, np.array(points, float))


def upright(x, top=400, bottom=700, kind=WHITE):
    return edge((x, bottom), (x, top), kind=kind)


def level(y, left=200, right=900, kind=WHITE):
    return edge((left, y), (right, y), kind=kind)


@pytest.mark.parametrize(('rows', 'expected'), [(0, 8), (360, 8), (540, 28), (720, 48), (800, 48)])
def test_distance_limit(rows, expected):
    assert distance_limit(rows, 720) == expected
    assert distance_limit(rows / 2, 360) == expected / 2


@pytest.mark.parametrize(
    ('edges', 'pairs'),
    [
        pytest.param([], [], id='none'),
        pytest.param([upright(100)], [], id='single edge'),
        pytest.param([upright(100), upright(112)], [(0, 1)], id='two edges'),
        pytest.param([upright(100), edge((112, 400), (112, 700))], [(0, 1)], id='opposite order'),
        pytest.param([upright(100), upright(400)], [], id='two lanes apart'),
        pytest.param(
            [upright(100), upright(400), upright(410), upright(110)], [(0, 3), (1, 2)], id='mixed'
        ),
        pytest.param(
            [upright(x, kind=YELLOW) for x in (100, 110, 120, 130)],
            [(0, 1), (2, 3)],
            id='double line, even',
        ),
        pytest.param(
            [upright(x, kind=YELLOW) for x in (100, 114, 120, 134)],
            [(0, 1), (2, 3)],
            id='double line, gap narrower than paint',
        ),
        pytest.param(
            [upright(100), upright(109), upright(124)], [(0, 1)], id='three: the nearer two'
        ),
        pytest.param([upright(100), upright(112, kind=YELLOW)], [], id='other category'),
        pytest.param(
            [upright(100), upright(112, kind=('single white', 'vertical'))],
            [],
            id='other direction',
        ),
        pytest.param([edge((100, 700), (400, 500)), edge((100, 500), (400, 700))], [], id='cross'),
        pytest.param([edge((100, 700), (100, 400)), edge((108, 700), (200, 400))], [], id='angle'),
        pytest.param([upright(100, 400, 500), upright(104, 520, 700)], [], id='dashes in a row'),
        pytest.param([upright(100, 400, 600), upright(108, 500, 700)], [(0, 1)], id='half beside'),
        pytest.param([upright(100, 400, 600), upright(108, 510, 700)], [], id='less beside'),
        pytest.param(
            [upright(100, 400, 700), upright(108, 500, 540)], [(0, 1)], id='dash in line'
        ),
        # 30 px is the width of a line at the bottom; in the distance it is a lane.
        pytest.param([upright(100, 640, 719), upright(130, 640, 719)], [(0, 1)], id='near'),
        pytest.param([upright(100, 360, 439), upright(130, 360, 439)], [], id='far'),
        pytest.param([upright(100, 360, 400), upright(104, 360, 400)], [(0, 1)], id='far line'),
        pytest.param([level(600), level(620)], [(0, 1)], id='stop line'),
        pytest.param([level(400), level(460)], [], id='two stop lines'),
        pytest.param([edge((5, 5), (5, 5.001)), edge((5, 5), (5, 5.001))], [(0, 1)], id='specks'),
    ],
)
def test_pair_markings(edges, pairs):
    assert pair_markings(edges, HEIGHT) == pairs


def test_pair_markings__scales_with_the_image():
    edges = [upright(100, 640, 719), upright(130, 640, 719)]
    halves = [Edge(e.kind, e.points / 2) for e in edges]
    assert pair_markings(halves, HEIGHT // 2) == [(0, 1)]
    assert pair_markings(edges, HEIGHT * 2) == []  # in its upper half


def test_pair_markings__more_edges_than_are_compared_at_once():
    edges = [upright(100 * i + gap) for i in range(60) for gap in (0, 4)]
    assert pair_markings(edges, HEIGHT) == [(i, i + 1) for i in range(0, 120, 2)]


def test_pair_markings__perspective():
    # The edges of a line of 15 cm, 1.8 m beside a camera 1.3 m above the road, horizon at 360.
    def seen(metres):
        return edge(*((640 + metres / 1.3 * rows, 360 + rows) for rows in (340, 10)))

    lines = [seen(metres) for metres in (-5.4, -5.25, -1.8, -1.65, 1.8, 1.95)]
    assert pair_markings(lines, HEIGHT) == [(0, 1), (2, 3), (4, 5)]


@pytest.mark.parametrize(
    ('first', 'second', 'expected'),
    [
        pytest.param(upright(100), upright(110), [(105, 700), (105, 400)], id='equal'),
        pytest.param(
            edge((100, 700), (100, 400)), edge((110, 400), (110, 700)), [(105, 700), (105, 400)]
        ),
        pytest.param(level(500), level(520), [(200, 510), (900, 510)], id='stop line'),
        # Both in the upper half, where the limit is the same: moved over by half the width.
        pytest.param(
            upright(100, 100, 300), upright(110, 200, 300), [(105, 300), (105, 100)], id='longer'
        ),
        pytest.param(
            upright(100, 100, 250), upright(110, 150, 300), [(105, 300), (105, 100)], id='shifted'
        ),
    ],
)
def test_centre_line(first, second, expected):
    line = centre_line(first.points, second.points, HEIGHT)
    assert {tuple(p) for p in np.round(line[[0, -1]], 9)} == set(expected)
    across = 0 if expected[0][0] == expected[1][0] else 1
    np.testing.assert_allclose(line[:, across], expected[0][across], atol=1e-9)
    steps = np.diff(line[:, 1 - across])
    assert (steps >= 0).all() or (steps <= 0).all()


def test_centre_line__the_part_alone_narrows_with_the_row():
    # Beside each other from row 720 to 540, 20 px apart; from there the first is alone.
    line = centre_line(upright(100, 360, 720).points, upright(120, 540, 720).points, HEIGHT)
    np.testing.assert_allclose(line[line[:, 1] >= 540, 0], 110)
    # The limit is 8 there and 28 where the second ends, or a step before.
    np.testing.assert_allclose(line[-1], (100 + 10 * LIMIT_PX[0] / 28, 360), atol=0.1)


def test_centre_lines__a_lone_edge_is_a_line():
    lines = centre_lines([upright(100), upright(110), upright(600)], HEIGHT)
    assert sorted(line[:, 0].mean() for line in lines) == pytest.approx([105, 600])


coordinates = st.tuples(st.floats(0, 300), st.floats(300, 700))
edges_of_lines = st.lists(
    st.lists(coordinates, min_size=2, max_size=4, unique=True).map(lambda points: edge(*points)),
    max_size=7,
)


@given(edges_of_lines, st.randoms(use_true_random=False))
def test_centre_lines__order_of_edges_and_points_does_not_matter(edges, random):
    shuffled = [Edge(e.kind, e.points[:: random.choice((1, -1))]) for e in edges]
    random.shuffle(shuffled)
    found, again = (centre_lines(each, HEIGHT) for each in (edges, shuffled))
    assert len(found) == len(again)
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one, other)


@given(edges_of_lines)
def test_pair_markings__each_edge_has_at_most_one_partner(edges):
    paired = [index for pair in pair_markings(edges, HEIGHT) for index in pair]
    assert len(set(paired)) == len(paired)


@given(edges_of_lines)
def test_centre_lines__stay_where_the_edges_are(edges):
    reach = LIMIT_PX[1] * LIMIT_PX[1] / LIMIT_PX[0]
    for line in centre_lines(edges, HEIGHT):
        assert np.isfinite(line).all()
        assert line[:, 0].min() > -reach
        assert line[:, 0].max() < 300 + reach


def test_centre_line__of_ends_askew():
    # A dash whose ends are level in the image, as paint cut off square on the road is.
    left, right = edge((100, 400), (300, 600)), edge((120, 400), (320, 600))
    line = centre_line(left.points, right.points, HEIGHT)
    np.testing.assert_allclose(line[:, 0] - line[:, 1], -290, atol=1e-9)
    assert {tuple(p) for p in line[[0, -1]]} == {(110, 400), (310, 600)}


def test_centre_line__of_a_speck():
    line = centre_line(upright(100).points, edge((110, 501), (110, 501.5)).points, HEIGHT)
    np.testing.assert_allclose(line[:, 0], 105)
