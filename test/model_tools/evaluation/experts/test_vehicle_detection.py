# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.evaluation.experts.fitting import Stretch
from model_tools.evaluation.experts.vehicle_detection import VehicleDetectionDecoder

WH = (672, 384)
END = [-1, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ('rows', 'boxes', 'scores'),
    [
        ([END], [], []),
        ([[0, 1, 0.9, 0.25, 0.5, 0.75, 1.0]], [[250, 250, 750, 500]], [0.9]),
        ([[0, 1, 0.9, -0.1, 0.5, 0.5, 1.2]], [[0, 250, 500, 500]], [0.9]),
        ([[0, 1, 0.04, 0, 0, 1, 1]], [], []),
        ([[0, 0, 0.9, 0, 0, 1, 1]], [], []),
        ([[0, 1, 0.9, 0.5, 0.5, 0.5, 0.8]], [], []),
        # What follows the end is left over from another image.
        ([END, [0, 1, 0.9, 0, 0, 1, 1]], [], []),
        (
            [[0, 1, 0.3, 0, 0, 0.1, 0.1], [0, 1, 0.8, 0, 0, 0.2, 0.2], END],
            [[0, 0, 200, 100], [0, 0, 100, 50]],
            [0.8, 0.3],
        ),
    ],
)
def test_call(rows, boxes, scores):
    output = np.zeros((1, 1, 200, 7), np.float32)
    output[0, 0, : len(rows)] = rows
    found = VehicleDetectionDecoder(WH)([output], Stretch((1000, 500), WH))
    np.testing.assert_allclose(found.boxes, np.reshape(boxes, (-1, 4)), atol=1e-3)
    np.testing.assert_allclose(found.scores, scores, atol=1e-6)
    assert found.labels.tolist() == [0] * len(boxes)
    assert (found.boxes.dtype, found.labels.dtype) == (np.float32, np.int64)
