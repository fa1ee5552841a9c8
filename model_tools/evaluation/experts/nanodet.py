# SPDX-License-Identifier: Apache-2.0
"""NanoDet trained on COCO: vehicles, persons and two-wheelers."""

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

FORMAT = InputFormat(
    fit='letterbox',
    values='BGR, normalised',
    pad_value=0,
    mean=(103.53, 116.28, 123.675),
    std=(57.375, 57.12, 58.395),
)
STRIDES = (8, 16, 32)
BINS = 8
"""A side's distance is a distribution over 0 to 7 strides."""


class NanoDetDecoder:
    """Reads, of each stride, 80 class probabilities and the four distances of each cell.

    A distance is the expectation of a softmax over BINS, in strides, from the cell's centre.
    Source: Li et al., Generalized Focal Loss, 2020, with the decoding of NanoDet's repository.
    """

    labels = LABELS
    tasks = frozenset({'detection'})
    fixed = NMS_SETTINGS

    def __init__(self, network_wh: tuple[int, int]) -> None:
        self._centres = [(grid_cells(network_wh, s) + 0.5) * s for s in STRIDES]
        counts = [len(c) for c in self._centres]
        self.output_shapes: tuple[Shape, ...] = (
            *((1, count, 80) for count in counts),
            *((1, count, 4 * BINS) for count in counts),
        )

    def __call__(self, outputs: Sequence[np.ndarray], letterbox: Letterbox) -> Prediction:
        """Decode the network's answer to one image."""
        stages = zip(outputs[:3], outputs[3:], self._centres, STRIDES, strict=True)
        boxes, scores = zip(*(_decode(c[0], b[0], at, s) for c, b, at, s in stages), strict=True)
        return strongest_boxes(np.concatenate(boxes), np.concatenate(scores), letterbox)


def _decode(
    class_scores: np.ndarray, bins: np.ndarray, centres: np.ndarray, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes (K, 4) and label scores (K, 3) of the cells of one stride above the floor."""
    scores = label_scores(class_scores)
    likely = np.flatnonzero(scores.max(axis=1) >= SCORE_FLOOR)
    distances = _expectation(bins[likely].reshape(-1, 4, BINS)) * stride
    centres = centres[likely]
    boxes = np.concatenate([centres - distances[:, :2], centres + distances[:, 2:]], axis=1)
    return boxes, scores[likely]


def _expectation(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights @ np.arange(BINS, dtype=np.float32) / weights.sum(axis=-1)
