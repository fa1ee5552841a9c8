# SPDX-License-Identifier: Apache-2.0
"""Average precision of boxes by COCO's rules, on boxes of a minimum height."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

MAX_DETECTIONS = 300
HUGE = 1e5**2
HEIGHT_RANGES = ('all', 'tall')


@dataclass(frozen=True)
class BoxTruth:
    """Labelled boxes (N, 4) x1 y1 x2 y2 of one image; crowd regions neither help nor hurt."""

    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray


@dataclass(frozen=True)
class BoxResult:
    """Found boxes (M, 4) x1 y1 x2 y2 of one image."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


def average_precision(
    truth: Sequence[BoxTruth],
    found: Sequence[BoxResult],
    labels: Sequence[str],
    *,
    min_height: float = 12.0,
) -> dict[str, dict[str, float | int | None]]:
    """Return for each label its AP50, AP50-95, number of boxes and the score of the best F1.

    Boxes lower than `min_height` source pixels are ignored on both sides: COCO's area range,
    with the height in the place of the area. A label without any box gets None.
    """
    evaluation = _evaluate(truth, found, labels, min_height)
    precision = evaluation.eval['precision'][..., 1, -1]  # (IoU, recall, label)
    scores = evaluation.eval['scores'][0, ..., 1, -1]  # (recall, label)
    result: dict[str, dict[str, float | int | None]] = {}
    for k, label in enumerate(labels):
        count = sum(
            int(((t.labels == k) & ~t.crowd & (_height(t.boxes) >= min_height)).sum())
            for t in truth
        )
        curve, score = precision[0, :, k], scores[:, k]
        result[label] = {
            'boxes': count,
            'ap50': round(float(curve.mean()), 4) if count else None,
            'ap50_95': round(float(precision[:, :, k].mean()), 4) if count else None,
            'best_f1_score': round(_best_f1_score(curve, score), 3) if count else None,
        }
    return result


def _evaluate(
    truth: Sequence[BoxTruth],
    found: Sequence[BoxResult],
    labels: Sequence[str],
    min_height: float,
) -> COCOeval_faster:
    annotations = [
        {**_annotation(image, box, label), 'iscrowd': int(crowd)}
        for image, t in enumerate(truth)
        for box, label, crowd in zip(t.boxes, t.labels, t.crowd, strict=True)
    ]
    results = [
        {**_annotation(image, box, label), 'score': float(score)}
        for image, f in enumerate(found)
        for box, label, score in zip(f.boxes, f.labels, f.scores, strict=True)
    ]
    dataset = {
        'images': [{'id': i} for i in range(len(truth))],
        'categories': [{'id': i, 'name': name} for i, name in enumerate(labels)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco_truth = COCO({**dataset, 'annotations': _numbered(annotations)})
        coco_found = COCO({**dataset, 'annotations': _numbered(results)})
        evaluation = COCOeval_faster(coco_truth, coco_found, 'bbox')
        evaluation.params.maxDets = [1, 10, MAX_DETECTIONS]
        evaluation.params.areaRng = [[0, HUGE], [min_height, HUGE]]
        evaluation.params.areaRngLbl = list(HEIGHT_RANGES)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _annotation(image: int, box: np.ndarray, label: int) -> dict[str, object]:
    x1, y1, x2, y2 = (float(v) for v in box)
    return {
        'image_id': image,
        'category_id': int(label),
        'bbox': [x1, y1, x2 - x1, y2 - y1],
        'area': y2 - y1,  # the height: see `average_precision`
    }


def _numbered(annotations: list[dict]) -> list[dict]:
    return [{**a, 'id': i} for i, a in enumerate(annotations, 1)]


def _height(boxes: np.ndarray) -> np.ndarray:
    return boxes[:, 3] - boxes[:, 1]


def _best_f1_score(precision: np.ndarray, scores: np.ndarray) -> float:
    recall = np.linspace(0, 1, len(precision))
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    return float(scores[f1.argmax()])
