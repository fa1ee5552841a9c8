# SPDX-License-Identifier: Apache-2.0
import numpy as np

from model_tools.evaluation.experts.fitting import Stretch
from model_tools.evaluation.experts.road_segmentation import RoadSegmentationDecoder


def test_call__marks_are_drivable_too():
    probability = np.zeros((1, 4, 2, 4), np.float32)
    probability[0, :, 0, 0] = 1, 0, 0, 0
    probability[0, :, 0, 1] = 0, 1, 0, 0
    probability[0, :, 0, 2] = 0, 0, 1, 0
    probability[0, :, 0, 3] = 0, 0, 0, 1
    probability[0, :, 1, :] = np.float32([[0.25, 0.5, 0, 0.25]]).T
    found = RoadSegmentationDecoder((4, 2))([probability], Stretch((100, 70), (4, 2)))
    assert found.drivable.tolist() == [[0, 255, 0, 255], [191] * 4]
    assert found.lane.tolist() == [[0, 0, 0, 255], [64] * 4]
    assert found.drivable.dtype == found.lane.dtype == np.uint8
    assert (found.boxes.shape, found.scores.shape, found.labels.shape) == ((0, 4), (0,), (0,))
