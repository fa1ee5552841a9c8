# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.data.synthetic.layout import draw_layout, motorway
from model_tools.data.synthetic.road import Road
from model_tools.data.synthetic.scenario import PLACES


@pytest.mark.parametrize('place', PLACES)
@pytest.mark.parametrize('seed', range(8))
def test_layout__lanes_and_paint_lie_on_the_pavement(place, seed):
    layout = draw_layout(np.random.default_rng(seed), place)
    assert {lane.direction for lane in layout.lanes} == {1, -1}
    for lane in layout.lanes:
        edges = lane.d - lane.width / 2 + 1e-9, lane.d + lane.width / 2 - 1e-9
        assert any(lo <= edges[0] and edges[1] <= hi for lo, hi in layout.carriageways)
    for line in layout.lines:
        assert any(lo < line.d < hi for lo, hi in layout.carriageways)


def test_mirrored__twice_is_the_same_road():
    layout = motorway(np.random.default_rng(3))
    assert layout.mirrored().mirrored() == layout
    assert layout.mirrored().edges == tuple(-d for d in reversed(layout.edges))


def test_points__follow_the_curve():
    road = Road(np.random.default_rng(2), 'rural')
    s = np.arange(100.0, 400.0, 2.0)
    steps = np.linalg.norm(np.diff(road.points(s, np.zeros_like(s))[:, :2], axis=0), axis=1)
    np.testing.assert_allclose(steps, 2.0, atol=0.01)
    aside = road.points(s, np.full_like(s, 3.0), 1.0) - road.points(s, np.zeros_like(s))
    np.testing.assert_allclose(np.linalg.norm(aside[:, :2], axis=1), 3.0, atol=1e-9)
    np.testing.assert_allclose(aside[:, 2], 1.0, atol=1e-9)
