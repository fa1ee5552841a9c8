# SPDX-License-Identifier: Apache-2.0
"""Intel's vehicle-detection-adas-0002: vehicles alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model_tools.evaluation.experts.boxes import visible_boxes
from model_tools.evaluation.experts.fitting import InputFormat
from model_tools.evaluation.experts.network import Shape
from model_tools.evaluation.prediction import Prediction
from model_tools.export.suppression import SCORE_FLOOR
from panoptic_perception.core.letterbox import Letterbox

FORMAT = InputFormat(fit='stretch', values='BGR 0 to 255')
VEHICLE = 1
ROWS = 200


class VehicleDetectionDecoder:
    """Reads rows of image, class, score and a box in shares of the image; NMS is in the graph.

    A row of image -1 ends the list: what follows it is left over from earlier images.
    """

    labels: tuple[str, ...] = ('vehicle',)
    tasks = frozenset({'detection'})
    fixed: Mapping[str, Any] = {
        'labels': ('vehicle',),
        'score_floor': SCORE_FLOOR,
        'nms_iou': 0.45,
        'max_boxes': ROWS,
    }
    """The last two are those of the DetectionOutput layer in its file."""
    output_shapes: tuple[Shape, ...] = ((1, 1, ROWS, 7),)

    def __init__(self, network_wh: tuple[int, int]) -> None:
        self._network_wh = np.array(network_wh, np.float32)

    def __call__(self, outputs: Sequence[np.ndarray], letterbox: Letterbox) -> Prediction:
        """Decode the network's answer to one image."""
        rows = outputs[0][0, 0]
        valid = np.logical_and.accumulate(rows[:, 0] >= 0)
        rows = rows[valid & (rows[:, 1] == VEHICLE) & (rows[:, 2] >= SCORE_FLOOR)]
        rows = rows[np.argsort(-rows[:, 2], kind='stable')]
        boxes = letterbox.boxes_to_source(rows[:, 3:] * np.tile(self._network_wh, 2))
        return visible_boxes(boxes, rows[:, 2], np.zeros(len(rows), np.int64))
