# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from model_tools.compression.gate import fallen, flat_scores, most_hurt, task_of
from model_tools.compression.importance import Evidence

REFERENCE = {'vehicle_ap50': 0.7, 'drivable_iou': 0.9, 'lane_iou': 0.5}


def test_flat_scores__leave_out_what_no_image_has():
    headline = {
        'images': 3,
        'ap50': {'vehicle': 0.7, 'cycle': None},
        'drivable_iou': 0.9,
        'lane_iou': None,
    }
    assert flat_scores(headline) == {'vehicle_ap50': 0.7, 'drivable_iou': 0.9}
    empty = {'images': 0, 'ap50': {}, 'drivable_iou': None, 'lane_iou': None}
    assert flat_scores(empty) == {}


@pytest.mark.parametrize(
    ('found', 'allowed', 'expected'),
    [
        (REFERENCE, 0.0, {}),
        ({**REFERENCE, 'lane_iou': 0.6}, 0.0, {}),
        ({**REFERENCE, 'lane_iou': 0.48}, 0.03, {}),
        ({**REFERENCE, 'lane_iou': 0.46}, 0.03, {'lane_iou': 0.04}),
        ({'vehicle_ap50': 0.7, 'drivable_iou': 0.9}, 0.03, {'lane_iou': 0.5}),  # no longer scored
        ({}, 1.0, {}),
    ],
)
def test_fallen__names_what_fell_too_far(found, allowed, expected):
    assert fallen(REFERENCE, found, allowed=allowed) == expected


def test_fallen__a_score_that_is_no_number():
    (fall,) = fallen({'x': 0.5}, {'x': math.nan}, allowed=1.0).values()
    assert math.isnan(fall)


@pytest.mark.parametrize(
    ('score', 'task'),
    [('cycle_ap50', 'detection'), ('drivable_iou', 'drivable'), ('lane_iou', 'lane')],
)
def test_task_of(score, task):
    assert task_of(score) == task


def test_most_hurt__by_the_importance_to_a_task_that_went():
    evidence = Evidence(
        importance={
            'detection': {'a': torch.tensor([1.0, 1.0]), 'b': torch.tensor([9.0, 3.0])},
            'lane': {'a': torch.tensor([0.0, 0.0]), 'b': torch.tensor([1.0, 3.0])},
        },
        summed={},
        conflict={},
        batches={},
    )
    keep = {'a': torch.tensor([0]), 'b': torch.tensor([0])}
    # Detection lost 1 at a and 3 at b, though half of a; lane 3 at b and nothing at a.
    assert most_hurt(evidence, keep) == {'detection': ['b'], 'lane': ['b']}
    everything = {'a': torch.tensor([0, 1]), 'b': torch.tensor([0, 1])}
    assert most_hurt(evidence, everything) == {'detection': [], 'lane': []}
