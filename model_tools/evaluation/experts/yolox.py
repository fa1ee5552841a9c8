# SPDX-License-Identifier: Apache-2.0
"""YOLOX trained on COCO: vehicles, persons and two-wheelers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model_tools.evaluation.experts.boxes import (
    LABELS,
    NMS_SETTINGS,
    grid_cells,
    label_scores,
    strongest_boxes,
)
from model_tools.evaluation.experts.fitting import InputFormat
from model_tools.evaluation.experts.network import Shape
from model_tools.evaluation.prediction import Prediction
from model_tools.export.suppression import SCORE_FLOOR
from panoptic_perception.core.letterbox import Letterbox

FORMAT = InputFormat(fit='corner letterbox', values='BGR 0 to 255')
STRIDES = (8, 16, 32)


class YoloxDecoder:
    """Reads rows of centre, log size, objectness and 80 class probabilities, one for each cell.

    Source: Ge et al., YOLOX: Exceeding YOLO Series in 2021, with the decoding of its repository.
    """

    labels = LABELS
    tasks = frozenset({'detection'})
    fixed = NMS_SETTINGS

    def __init__(self, network_wh: tuple[int, int]) -> None:
        cells = [grid_cells(network_wh, stride) for stride in STRIDES]
        self._cells = np.concatenate(cells)
        self._strides = np.repeat(np.array(STRIDES, np.float32), [len(c) for c in cells])
        self.output_shapes: tuple[Shape, ...] = ((1, len(self._cells), 85),)

    def __call__(self, outputs: Sequence[np.ndarray], letterbox: Letterbox) -> Prediction:
        """Decode the network's answer to one image."""
        rows = outputs[0][0]
        # No score can exceed its objectness.
        likely = np.flatnonzero(rows[:, 4] >= SCORE_FLOOR)
        rows, strides = rows[likely], self._strides[likely, None]
        centres = (rows[:, :2] + self._cells[likely]) * strides
        halves = np.exp(rows[:, 2:4]) * (strides / 2)
        boxes = np.concatenate([centres - halves, centres + halves], axis=1)
        return strongest_boxes(boxes, rows[:, 4:5] * label_scores(rows[:, 5:]), letterbox)
