# SPDX-License-Identifier: Apache-2.0
"""The tiny model answers by colour, so its scores on a drawn data set are known."""

import json

import cv2
import numpy as np
import pytest

from model_tools.data.yolop_layout import DatasetError
from model_tools.evaluation.evaluate import choose_thresholds, score_split
from panoptic_perception.core.results import Thresholds

RED_BOX = (100, 200, 300, 400)
HALF = Thresholds(score=0.3, drivable=0.5, lane=0.5)


@pytest.fixture
def drawn_folder(scene, tmp_path):
    """Write the scene of the tiny model with its true labels, half of the drivable ones wrong."""
    drivable = np.where(scene[..., 1] > 127, 255, 0).astype(np.uint8)
    drivable[:, :640] = 127
    lane = np.where(scene[..., 0] > 127, 255, 0).astype(np.uint8)
    lane[:500] = 0  # the model sees lane there too
    x1, y1, x2, y2 = RED_BOX
    record = {
        'attributes': {'source': 'drawn', 'group': 'g'},
        'frames': [
            {
                'objects': [
                    {'category': 'car', 'box2d': {'x1': x1, 'y1': y1, 'x2': x2, 'y2': y2}},
                    {'category': 'truck', 'box2d': {'x1': 700, 'y1': 10, 'x2': 800, 'y2': 60}},
                ]
            }
        ],
    }
    for split in ('train', 'val'):
        for folder, name, image in (
            ('images', 'a.jpg', scene),
            ('da_seg_annotations', 'a.png', drivable),
            ('ll_seg_annotations', 'a.png', lane),
        ):
            (tmp_path / folder / split).mkdir(parents=True)
            cv2.imwrite(
                str(tmp_path / folder / split / name), image, [cv2.IMWRITE_JPEG_QUALITY, 98]
            )
        (tmp_path / 'det_annotations' / split).mkdir(parents=True)
        (tmp_path / 'det_annotations' / split / 'a.json').write_text(json.dumps(record))
    return tmp_path, drivable, lane


def test_score_split__known_answers(tiny_model, drawn_folder):
    root, _, lane = drawn_folder
    scores = score_split(tiny_model, root, 'val').summary(HALF)
    assert list(scores) == ['drawn', 'all']
    assert scores['drawn'] == scores['all']
    vehicle = scores['all']['detection']['vehicle']
    assert vehicle['boxes'] == 2
    assert vehicle['ap50'] == pytest.approx(0.505, abs=1e-3)  # one of two, nothing false
    assert scores['all']['detection']['person']['ap50'] is None
    assert scores['all']['drivable_iou'] == pytest.approx(1.0, abs=0.02)
    seen = (lane > 0).sum() + 8 * 60 + 40 * 120  # line above row 500, magenta person
    assert scores['all']['lane_iou'] == pytest.approx((lane > 0).sum() / seen, abs=0.02)


def test_choose_thresholds__score_of_the_last_true_box(tiny_model, drawn_folder):
    thresholds = choose_thresholds(score_split(tiny_model, drawn_folder[0], 'train'))
    assert thresholds['score'] == pytest.approx(0.9, abs=0.01)
    assert 0 < thresholds['drivable'] < 1


def test_score_split__group_that_is_not_there(tiny_model, drawn_folder):
    with pytest.raises(DatasetError, match='nowhere'):
        score_split(tiny_model, drawn_folder[0], 'val', groups=['nowhere'])
