# SPDX-License-Identifier: Apache-2.0
"""Precision and recall of detections, and the numbers that are read from their curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

ApRule = Literal['tail001', 'tail1', 'coco']

RECALL_GRID = np.linspace(0.0, 1.0, 101)
SCORES = (0.25, 0.5)
"""Thresholds of the operating points that are reported."""
PRECISION = 0.9
"""Precision at which recall is reported."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision and recall after each detection, in order of falling score; may be empty."""

    scores: np.ndarray
    recall: np.ndarray
    precision: np.ndarray

    @property
    def reachable(self) -> np.ndarray:
        """Points that a score threshold can choose: the last of equal scores."""
        return np.append(self.scores[1:] != self.scores[:-1], True)[: len(self.scores)]


def precision_recall_curve(scores: np.ndarray, hits: np.ndarray, boxes: int) -> Curve:
    """Return the curve of detections in order of falling score, for a number of labelled boxes."""
    if boxes < 1:
        raise ValueError(f'recall needs a labelled box, found {boxes}')
    true = np.cumsum(hits)
    return Curve(scores, true / boxes, true / np.arange(1, len(hits) + 1))


def average_precision(curve: Curve, rule: ApRule) -> float:
    """Return the area under the precision envelope over 101 recall points, 0 without detections.

    `tail001` ends the curve at (last recall + 0.001, 0), as hustvl/YOLOP:lib/core/general.py
    (`compute_ap`); `tail1` at (1, 0), as JiayuanWang-JW/RMT-PPAD:ultralytics/utils/metrics.py
    (`compute_ap`). Both go linearly between points; where two points share a recall the last one
    counts, so that a perfect detector has 0.995 under `tail1`. `coco` is the mean of steps, as
    cocodataset/cocoapi:PythonAPI/pycocotools/cocoeval.py (`accumulate`).
    """
    if not len(curve.scores):
        return 0.0
    if rule == 'coco':
        return float(sampled_envelope(curve)[1].sum() / len(RECALL_GRID))
    end = curve.recall[-1] + 1e-3 if rule == 'tail001' else 1.0
    recall = np.concatenate(([0.0], curve.recall, [end]))
    precision = _envelope(np.concatenate(([1.0], curve.precision, [0.0])))
    heights = np.interp(RECALL_GRID, recall, precision)
    # NumPy 1 and 2 name the trapezoid rule differently.
    return float(((heights[1:] + heights[:-1]) / 2 * np.diff(RECALL_GRID)).sum())


def sampled_envelope(curve: Curve) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return recall, best precision at this recall or above, and score, on the recall grid.

    The grid ends at the highest recall that was reached.
    """
    index = np.searchsorted(curve.recall, RECALL_GRID, side='left')
    index = index[index < len(curve.recall)]
    envelope = _envelope(curve.precision)
    return RECALL_GRID[: len(index)], envelope[index], curve.scores[index]


def curve_scores(curve: Curve | None) -> dict[str, Any]:
    """Return what is reported of a curve beside its area; without a curve, the same with None."""
    if curve is None:
        point = dict.fromkeys(('precision', 'recall', 'f1'))
        empty = {'max_recall': None, 'at': {str(score): point for score in SCORES}}
        return {**empty, f'recall_at_precision_{PRECISION}': None, 'best_f1_score': None}
    return {
        'max_recall': max_recall(curve),
        'at': {str(score): operating_point(curve, score) for score in SCORES},
        f'recall_at_precision_{PRECISION}': recall_at_precision(curve, PRECISION),
        'best_f1_score': best_f1_score(curve),
    }


def max_recall(curve: Curve) -> float:
    """Return the recall of all detections together, which the literature calls recall."""
    return float(curve.recall[-1]) if len(curve.recall) else 0.0


def operating_point(curve: Curve, score: float) -> dict[str, float]:
    """Return precision, recall and F1 of the detections with this score or above, 0 if none."""
    last = np.searchsorted(-curve.scores, -score, side='right') - 1
    if last < 0:
        return {'precision': 0.0, 'recall': 0.0, 'f1': 0.0}
    precision, recall = float(curve.precision[last]), float(curve.recall[last])
    return {'precision': precision, 'recall': recall, 'f1': float(_f1(precision, recall))}


def recall_at_precision(curve: Curve, precision: float) -> float:
    """Return the highest recall of a score threshold with this precision or more, 0 if none."""
    good = curve.reachable & (curve.precision >= precision)
    return float(curve.recall[good].max(initial=0.0))


def best_f1_score(curve: Curve) -> float | None:
    """Return the score threshold of the highest F1, None if no detection hits."""
    if not max_recall(curve):
        return None
    f1 = np.where(curve.reachable, _f1(curve.precision, curve.recall), 0.0)
    return float(curve.scores[f1.argmax()])


def _envelope(precision: np.ndarray) -> np.ndarray:
    return np.maximum.accumulate(precision[::-1])[::-1]


def _f1(precision: np.ndarray | float, recall: np.ndarray | float) -> np.ndarray:
    total = np.add(precision, recall)
    return 2 * np.multiply(precision, recall) / np.where(total > 0, total, 1.0)
