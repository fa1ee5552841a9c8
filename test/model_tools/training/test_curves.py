# SPDX-License-Identifier: Apache-2.0
import cv2
import pytest

from model_tools.training.curves import draw_curves


def _record(epoch, **more):
    return {'epoch': epoch, 'class': 1 / epoch, 'box': 2.0, 'drivable': 0.0, 'lane': 0.5, **more}


def _scores(vehicle, lane):
    ap50 = {'vehicle': vehicle, 'person': None}
    return {'images': 2, 'ap50': ap50, 'drivable_iou': 0.9, 'lane_iou': lane}


@pytest.mark.parametrize(
    'records',
    [
        [_record(1)],
        [_record(1), _record(2, holdout=_scores(0.1, None))],
        [_record(1, holdout=_scores(None, 0.2)), _record(2), _record(3, holdout=_scores(0.3, 0))],
    ],
)
def test_draw_curves__whatever_was_scored(tmp_path, records):
    draw_curves(records, tmp_path / 'curves.png')
    image = cv2.imread(str(tmp_path / 'curves.png'))
    assert image.shape[1] > image.shape[0] > 300
    assert image.std() > 5


def test_draw_curves__distance_from_a_teacher(tmp_path):
    paths = [tmp_path / name for name in ('with.png', 'without.png')]
    scored = {'holdout': _scores(0.1, 0.2)}
    draw_curves([_record(1, distillation=0.3), _record(2, distillation=0.2, **scored)], paths[0])
    draw_curves([_record(1), _record(2, **scored)], paths[1])
    images = [cv2.imread(str(path)) for path in paths]
    left, right = ([image[:, half] for image in images] for half in (slice(500), slice(700, None)))
    assert (left[0] != left[1]).any()
    assert (right[0] == right[1]).all()
    assert (right[0] != 255).any()


def test_draw_curves__no_panel_for_no_scores(tmp_path):
    paths = [tmp_path / name for name in ('with.png', 'without.png')]
    draw_curves([_record(1, holdout=_scores(0.1, 0.2))], paths[0])
    draw_curves([_record(1)], paths[1])
    wide, narrow = (cv2.imread(str(path)).shape for path in paths)
    assert wide == (narrow[0], 2 * narrow[1], 3)
