# SPDX-License-Identifier: Apache-2.0
"""What the box decoders share: COCO's classes under our labels, and the choice of boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from model_tools.evaluation.prediction import Prediction
from model_tools.export.suppression import MAX_BOXES, NMS_IOU, SCORE_FLOOR
from panoptic_perception.core.letterbox import Letterbox

COCO_CLASSES = {'vehicle': (2, 5, 6, 7), 'person': (0,), 'cycle': (1, 3)}
"""Of the 80: car, bus, train, truck; person; bicycle, motorcycle."""
LABELS = tuple(COCO_CLASSES)

NMS_SETTINGS: Mapping[str, Any] = {
    'score_floor': SCORE_FLOOR,
    'nms_iou': NMS_IOU,
    'max_boxes': MAX_BOXES,
}
"""Those of our own model files."""


def grid_cells(network_wh: tuple[int, int], stride: int) -> np.ndarray:
    """Return column and row (N, 2) float32 of the cells of a stride, row by row."""
    rows, columns = np.indices((network_wh[1] // stride, network_wh[0] // stride))
    return np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float32)


def label_scores(class_scores: np.ndarray) -> np.ndarray:
    """Return (N, 3) scores of LABELS from (N, 80) of COCO's classes: the best class of each."""
    return np.stack([class_scores[:, ids].max(axis=1) for ids in COCO_CLASSES.values()], axis=1)


def strongest_boxes(boxes: np.ndarray, scores: np.ndarray, letterbox: Letterbox) -> Prediction:
    """Choose among a network's boxes by class-aware NMS; best first.

    Args:
        boxes: (N, 4) x1 y1 x2 y2 in network pixels.
        scores: (N, L), for each box one of each label; a box may count for several.
        letterbox: The way back to source pixels.

    """
    cells, labels = np.nonzero(scores >= SCORE_FLOOR)
    scores, boxes = scores[cells, labels], boxes[cells]
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxesBatched(xywh, scores, labels, 0.0, NMS_IOU)
    # OpenCV returns an empty tuple for no boxes.
    best = np.asarray(kept, np.intp)[:MAX_BOXES]
    return visible_boxes(letterbox.boxes_to_source(boxes[best]), scores[best], labels[best])


def visible_boxes(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> Prediction:
    """Return boxes, clipped to the image before, without those of which nothing is left."""
    visible = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return Prediction(
        boxes=boxes[visible].astype(np.float32),
        scores=scores[visible].astype(np.float32),
        labels=labels[visible].astype(np.int64),
        drivable=None,
        lane=None,
    )
