# SPDX-License-Identifier: Apache-2.0
import cv2
import pytest

from model_tools.compression.course import course, draw_course


def state(params, vehicle=None, **more):
    scores = {'ap50': {'vehicle': vehicle, 'cycle': None}, 'drivable_iou': 0.9, 'lane_iou': 0.5}
    return {'params': params, 'macs': 2 * params, 'holdout': vehicle and scores, **more}


def test_course__worked_by_hand():
    done = {'round': 1, 'pruned': state(50, 0.1), 'tuned': state(50, 0.7)}
    found = course({'teacher': state(200, 0.8), 'rounds': [done]})
    assert found.steps == ['teacher', 'round 1\npruned', 'round 1\ntuned']
    assert found.costs == {'params': [1, 0.25, 0.25], 'macs': [1, 0.25, 0.25]}
    assert found.scores == {
        'vehicle_ap50': [0.8, 0.1, 0.7],
        'drivable_iou': [0.9, 0.9, 0.9],
        'lane_iou': [0.5, 0.5, 0.5],
    }


@pytest.mark.parametrize(('vehicle', 'panels'), [(None, 1), (0.5, 2)])
def test_draw_course__a_panel_for_scores_only_where_there_are_some(tmp_path, vehicle, panels):
    rounds = [
        {
            'round': i,
            'pruned': state(50, vehicle, latency=1.0),
            'tuned': state(50, vehicle, latency=1.0),
        }
        for i in (1, 2)
    ]
    record = {'teacher': state(200, vehicle, latency=2.0), 'rounds': rounds}
    assert course(record).costs['latency'] == [1, 0.5, 0.5, 0.5, 0.5]
    assert bool(course(record).scores) == (panels == 2)
    draw_course(record, tmp_path / 'course.png')
    picture = cv2.imread(str(tmp_path / 'course.png'))
    assert picture.shape[1] == pytest.approx(panels * 6 * 110, abs=2)
    assert picture.std() > 10
