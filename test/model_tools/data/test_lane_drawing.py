# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_tools.data.bdd_labels import ImageLabels, LabelledObject, Polyline
from model_tools.data.lane_drawing import LANE_CATEGORIES, draw_lanes, draw_lines
from model_tools.data.problems import Problems

WH = (1280, 720)


def labels(*objects):
    """Return labels of (category, attributes, points, types)."""
    return ImageLabels(
        name='a.jpg',
        attributes={},
        objects=tuple(
            LabelledObject(
                category=category,
                box=None,
                polylines=(Polyline(np.array(points, np.float64).reshape(-1, 2), types, False),),
                attributes=attributes,
            )
            for category, attributes, points, types in objects
        ),
        where='labels/a.json',
    )


def straight(x, category='lane/single white', direction='parallel'):
    return category, {'laneDirection': direction}, [(x, 720), (x, 300)], 'LL'


def draw(*objects, wh=WH, width=2):
    problems = Problems(1)
    return draw_lanes(labels(*objects), wh, width=width, problems=problems), problems.summary()


def columns(mask, row=600):
    return np.flatnonzero(mask[row]).tolist()


@pytest.mark.parametrize('across', [False, True])
@pytest.mark.parametrize('width', [1, 2, 3, 8])
@pytest.mark.parametrize('place', [50, 50.25, 50.5, 50.75])
def test_draw_lines__straight_lines_are_as_wide_as_they_say(place, width, across):
    line = np.array([[place, -20.0], [place, 120]])
    mask = draw_lines([line[:, ::-1] if across else line], (100, 100), width)
    found = np.flatnonzero(mask[:, 40] if across else mask[40])
    assert len(found) == width
    assert (found + 0.5).mean() == pytest.approx(place, abs=0.51)
    assert mask.sum() == 255 * 100 * width


def test_draw_lines__slanted_line_has_the_area_of_a_stadium():
    mask = draw_lines([np.array([[10, 10], [700, 600.0]])], WH, 8)
    assert (mask == 255).sum() == pytest.approx(np.hypot(690, 590) * 8 + np.pi * 16, rel=0.005)


@pytest.mark.parametrize(
    ('shift', 'width', 'other_width', 'iou'),
    [
        (0, 4, 2, 1 / 2),
        (0, 4, 8, 1 / 2),
        (1, 2, 2, 1 / 3),
        (1, 8, 8, 7 / 9),
        (2, 2, 2, 0),
        (2, 8, 8, 0.6),
    ],
)
def test_draw_lines__intersection_over_union_of_two(shift, width, other_width, iou):
    one, other = (
        draw_lines([np.array([[x, -9.0], [x, 99]])], (80, 80), w) > 0
        for x, w in ((40, width), (40 + shift, other_width))
    )
    assert (one & other).sum() / (one | other).sum() == pytest.approx(iou)


def test_draw_lines__nothing():
    mask = draw_lines([], WH, 2)
    assert mask.shape == (720, 1280)
    assert mask.dtype == np.uint8
    assert not mask.any()


@given(
    st.lists(
        st.lists(
            st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5)), min_size=2, max_size=4
        ).map(np.array),
        max_size=3,
    ),
    st.floats(1, 9),
)
def test_draw_lines__any_line_gives_a_mask(lines, width):
    assert set(np.unique(draw_lines(lines, (64, 36), width))) <= {0, 255}


@pytest.mark.parametrize(
    ('objects', 'expected'),
    [
        pytest.param([], [], id='empty'),
        pytest.param([straight(100)], [99, 100], id='one'),
        pytest.param([straight(100), straight(112)], [105, 106], id='pair'),
        pytest.param([straight(100), straight(112, 'single white')], [105, 106], id='of 2020'),
        pytest.param([straight(100), straight(400)], [99, 100, 399, 400], id='two'),
        pytest.param(
            [straight(x, 'lane/double yellow') for x in (100, 110, 120, 130)],
            [104, 105, 124, 125],
            id='double',
        ),
        pytest.param(
            [straight(100), straight(112, direction='vertical')],
            [99, 100, 111, 112],
            id='other direction',
        ),
        pytest.param([straight(100, 'lane/road curb')], [], id='kerb'),
        pytest.param([straight(100, 'lane/crosswalk')], [], id='crossing'),
        pytest.param([straight(100, 'car')], [], id='no lane'),
    ],
)
def test_draw_lanes(objects, expected):
    mask, summary = draw(*objects)
    assert columns(mask) == expected
    assert summary['dropped_objects'] == {}


@pytest.mark.parametrize(
    ('wh', 'width', 'expected'),
    [
        (WH, 8, [96, 97, 98, 99, 100, 101, 102, 103]),
        ((640, 720), 8, [98, 99, 100, 101]),
        ((640, 720), 2, [100]),
        ((320, 720), 2, [100]),
        ((1920, 720), 2, [99, 100, 101]),
    ],
)
def test_draw_lanes__width_scales_with_the_image(wh, width, expected):
    assert columns(draw(straight(100), wh=wh, width=width)[0]) == expected


def test_draw_lanes__stop_line():
    kind = ('lane/single white', {'direction': 'vertical', 'style': 'solid'})
    mask, _ = draw(
        (*kind, [(200, 600), (900, 600)], 'LL'), (*kind, [(900, 620), (200, 620)], 'LL')
    )
    assert np.flatnonzero(mask[:, 500]).tolist() == [609, 610]


def test_draw_lanes__notes_what_it_drops():
    mask, summary = draw(straight(100), ('single white', {}, [(5, 5)], 'L'))
    assert columns(mask) == [99, 100]
    assert summary['dropped_objects'] == {'short_polyline': 1}
    assert "'labels/a.json': a polyline needs 2 points" in summary['examples'][0]


def test_lane_categories__are_painted_lines():
    assert {name.split()[0] for name in LANE_CATEGORIES} == {'single', 'double'}


place = st.tuples(st.integers(0, 1280), st.integers(300, 720))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(('single white', 'double yellow')),
            st.just({}),
            st.lists(place, min_size=4, max_size=4),
            st.sampled_from(('LCCC', 'LLLL')),
        ),
        max_size=5,
    ),
    st.randoms(use_true_random=False),
)
def test_draw_lanes__order_of_objects_and_points_does_not_matter(objects, random):
    shuffled = [
        (category, attributes, points[:: random.choice((1, -1))], types)
        for category, attributes, points, types in objects
    ]
    random.shuffle(shuffled)
    mask = draw(*objects)[0]
    assert set(np.unique(mask)) <= {0, 255}
    assert (mask != draw(*shuffled)[0]).mean() < 1e-5  # a reversed curve differs by rounding
