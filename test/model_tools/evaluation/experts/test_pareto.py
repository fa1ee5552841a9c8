# SPDX-License-Identifier: Apache-2.0
import cv2
import pytest

from model_tools.evaluation.experts.pareto import draw_pareto, pareto_front


@pytest.mark.parametrize(
    ('points', 'front'),
    [
        ([], []),
        ([(5, 0.5)], [0]),
        ([(5, 0.5), (3, 0.7)], [1]),  # faster and better
        ([(9, 0.9), (5, 0.5), (7, 0.4)], [1, 0]),
        ([(5, 0.5), (5, 0.6)], [1]),  # as fast and better
        ([(5, 0.5), (7, 0.5)], [0]),  # slower and no better
    ],
)
def test_pareto_front(points, front):
    assert pareto_front(points) == front


def row(name, ms, ap50, drivable):
    scores = {'ap50': ap50, 'drivable_iou': drivable, 'lane_iou': None}
    return {'name': name, 'scores': {'all': scores}, 'times': {'network': {'cpu_ms': ms}}}


def test_draw_pareto__a_panel_for_each_score_that_was_measured(tmp_path):
    path = tmp_path / 'pareto.png'
    draw_pareto([row('a', 20, {'vehicle': 0.7}, 0.9), row('b', 10, {}, 0.8)], path)
    picture = cv2.imread(str(path))
    height, width = picture.shape[:2]
    assert (width, height) == (1400, 340)
    names = width - 100
    parts = picture[:, :450], picture[:, 450:900], picture[:, 920:names], picture[:, names:]
    assert [(part < 128).any() for part in parts] == [True, True, False, True]  # two panels, names


def test_draw_pareto__nothing_scored(tmp_path):
    path = tmp_path / 'pareto.png'
    draw_pareto([row('a', 20, {}, None)], path)
    assert (cv2.imread(str(path)) == 255).all()
