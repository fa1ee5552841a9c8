# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.compression.quantization.agreement import Agreement, measure_agreement
from panoptic_perception.core.results import Thresholds
from panoptic_perception.engines import NetworkOutput

THRESHOLDS = Thresholds(score=0.25, drivable=0.5, lane=0.5)
BOX, NEAR, FAR = (0, 0, 10, 10), (0, 0, 10, 8), (20, 20, 30, 30)


def answer(boxes=(), *, labels=None, scores=None, drivable_rows=0, lane_rows=0):
    """Return what a network says of a 4x4 image."""
    planes = np.zeros((2, 1, 4, 4), np.uint8)
    planes[0, :, :drivable_rows], planes[1, :, :lane_rows] = 128, 128
    count = len(boxes)
    return NetworkOutput(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array([0.9] * count if scores is None else scores, np.float32),
        np.array([0] * count if labels is None else labels, np.int64),
        np.zeros(count, np.int64),
        *planes,
    )


@pytest.mark.parametrize(
    ('one', 'two', 'expected'),
    [
        ([], [], Agreement(0, 0, None, None, None, None)),
        ([answer()], [answer()], Agreement(1, 0, None, None, None, None)),
        (
            [answer([BOX, FAR], drivable_rows=2, lane_rows=1)],
            [answer([FAR, BOX], drivable_rows=2, lane_rows=1)],
            Agreement(1, 4, 1.0, 1.0, 1.0, 1.0),
        ),
        # Ious 0.8, 0.8: the 5th percentile too.
        ([answer([BOX])], [answer([NEAR])], Agreement(1, 2, 0.8, 0.8, None, None)),
        # One lost: 1, 0, 1, whichever file loses it; percentile 5 is a tenth of the way to 1.
        ([answer([BOX, FAR])], [answer([BOX])], Agreement(1, 3, 1.0, 0.1, None, None)),
        ([answer([BOX])], [answer([BOX, FAR])], Agreement(1, 3, 1.0, 0.1, None, None)),
        ([answer([BOX])], [answer()], Agreement(1, 1, 0.0, 0.0, None, None)),
        # Of another label, or below the threshold: lost.
        ([answer([BOX])], [answer([BOX], labels=[1])], Agreement(1, 2, 0.0, 0.0, None, None)),
        ([answer([BOX])], [answer([BOX], scores=[0.2])], Agreement(1, 1, 0.0, 0.0, None, None)),
        # Half of the masks in the first image, nothing in the second: 2 of 4 and 1 of 2 rows.
        (
            [answer(drivable_rows=4, lane_rows=1), answer()],
            [answer(drivable_rows=2, lane_rows=2), answer()],
            Agreement(2, 0, None, None, 0.5, 0.5),
        ),
        # All images together, not their mean: 2 + 4 of 4 + 4 rows.
        (
            [answer(drivable_rows=4), answer(drivable_rows=4)],
            [answer(drivable_rows=2), answer(drivable_rows=4)],
            Agreement(2, 0, None, None, 0.75, None),
        ),
    ],
)
def test_measure_agreement(one, two, expected):
    assert measure_agreement(one, two, THRESHOLDS) == expected
    assert measure_agreement(two, one, THRESHOLDS) == expected


def test_agreement__is_one_line():
    assert str(Agreement(50, 900, 0.9684, 0.8331, 0.986, None)) == (
        'IoU with float32 on 50 images of val: 900 boxes 0.968 (median) and 0.833 '
        '(5th percentile), drivable area 0.986, lane lines none'
    )
