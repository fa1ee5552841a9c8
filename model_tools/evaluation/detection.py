# SPDX-License-Identifier: Apache-2.0
"""Scores of found boxes: matched image by image, averaged only when they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from model_tools.evaluation.matching import IOU_THRESHOLDS, MatchRule, box_overlap, match_boxes
from model_tools.evaluation.precision_recall import (
    ApRule,
    Curve,
    average_precision,
    curve_scores,
    precision_recall_curve,
    sampled_envelope,
)

HEIGHTS = {
    '<16': (0.0, np.nextafter(16.0, 0.0)),
    '16-32': (16.0, 32.0),
    '>32': (np.nextafter(32.0, np.inf), np.inf),
}
"""Lowest and highest box, both included, in source pixels."""


@dataclass(frozen=True, eq=False)
class BoxTruth:
    """Labelled boxes of one image."""

    boxes: np.ndarray
    """(G, 4) x1 y1 x2 y2, source pixels."""
    labels: np.ndarray
    """(G,) int."""
    crowd: np.ndarray
    """(G,) bool: a region that neither helps nor hurts."""


@dataclass(frozen=True, eq=False)
class BoxResult:
    """Found boxes of one image."""

    boxes: np.ndarray
    """(D, 4) x1 y1 x2 y2, source pixels."""
    scores: np.ndarray
    """(D,) 0 to 1."""
    labels: np.ndarray
    """(D,) int, index into the same labels as those of the truth."""


class _Rows(NamedTuple):
    """Detections of a label, and what became of them in each of M matchings."""

    image: np.ndarray
    score: np.ndarray
    hit: np.ndarray  # (N, M) bool
    left_out: np.ndarray  # (N, M) bool

    def take(self, index: np.ndarray) -> _Rows:
        return _Rows(*(column[index] for column in self))

    def counted(self, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return image, score and hit of what counts in a matching."""
        counts = ~self.left_out[:, m]
        return self.image[counts], self.score[counts], self.hit[counts, m]


class DetectionCounts:
    """Matched detections of a split: scores of any of its images are read from them.

    Boxes lower than `min_height` source pixels are ignored on both sides: COCO's area range, with
    the height in the place of the area. The `max_boxes` best of a label count in each image.
    """

    def __init__(
        self,
        labels: Sequence[str],
        *,
        match: MatchRule,
        min_height: float = 0.0,
        max_boxes: int = 300,
    ) -> None:
        self.labels = tuple(labels)
        self._match = match
        self._max_boxes = max_boxes
        # A matching is an IoU threshold and a range of heights: ten thresholds over all heights,
        # then each of HEIGHTS at the first.
        self._thresholds = np.append(IOU_THRESHOLDS, [IOU_THRESHOLDS[0]] * len(HEIGHTS))
        self._heights = np.array([(0.0, np.inf)] * len(IOU_THRESHOLDS) + list(HEIGHTS.values()))
        self._heights[:, 0] = self._heights[:, 0].clip(min_height)
        self._labelled: list[bool] = []
        self._boxes: list[np.ndarray] = []  # of each image (labels, matchings), those that count
        self._rows: list[list[_Rows]] = [[] for _ in self.labels]

    def add(self, truth: BoxTruth, found: BoxResult) -> None:
        """Match one image; ValueError if a label is out of range or a number is not finite."""
        truth_boxes = self._checked('labelled', truth.boxes, truth.labels, truth.crowd)
        found_boxes = self._checked('found', found.boxes, found.labels, found.scores)
        truth_outside, found_outside = self._outside(truth_boxes), self._outside(found_boxes)
        order = np.argsort(-found.scores, kind='stable')
        image = len(self._labelled)
        boxes = self._no_boxes()
        for k, rows in enumerate(self._rows):
            mine = np.flatnonzero(truth.labels == k)
            best = order[found.labels[order] == k][: self._max_boxes]
            crowd = truth.crowd[mine]
            ignored = crowd | truth_outside[:, mine]
            hit, left_out = match_boxes(
                box_overlap(found_boxes[best], truth_boxes[mine], crowd),
                crowd=crowd,
                ignored=ignored,
                thresholds=self._thresholds,
                rule=self._match,
            )
            left_out |= ~hit & found_outside[:, best].T
            boxes[k] = (~ignored).sum(1)
            rows.append(
                _Rows(np.full(len(best), image), found.scores[best].astype(float), hit, left_out)
            )
        self._boxes.append(boxes)
        self._labelled.append(True)

    def add_missing(self) -> None:
        """Skip an image whose boxes are not labelled: it keeps its place and counts nowhere."""
        self._boxes.append(self._no_boxes())
        self._labelled.append(False)

    @property
    def labelled(self) -> np.ndarray:
        """(n,) bool: the images that count."""
        return np.array(self._labelled, bool)

    def scores(self, ap: ApRule, images: np.ndarray | None = None) -> dict[str, Any]:
        """Return the scores of every label over some images, and their means, to four digits.

        Args:
            ap: How average precision is read from the curve.
            images: (n,) bool, those to count; None for all. ValueError if none is labelled.
        """
        labels = {name: self.label_scores(name, ap, images) for name in self.labels}
        return _rounded(
            {
                'images': int(self._chosen(images).sum()),
                'map50': _mean([scores['ap50'] for scores in labels.values()]),
                'map50_95': _mean([scores['ap50_95'] for scores in labels.values()]),
                'labels': labels,
            }
        )

    def label_scores(
        self, label: str, ap: ApRule, images: np.ndarray | None = None
    ) -> dict[str, Any]:
        """Return the scores of a label, at IoU 0.5 unless named; None where no box is labelled.

        The operating points under `at` count detections of that score or above. `max_recall`
        counts all of them, and is what the literature calls recall.
        """
        k, chosen = self.labels.index(label), self._chosen(images)
        rows, boxes = self._ranked(k, chosen), self._box_counts(chosen)[k]
        curves = [_curve(rows, m, count) for m, count in enumerate(boxes)]
        areas = [None if curve is None else average_precision(curve, ap) for curve in curves]
        by_iou, by_height = areas[: len(IOU_THRESHOLDS)], areas[len(IOU_THRESHOLDS) :]
        return {
            'boxes': int(boxes[0]),
            'ap50': by_iou[0],
            'ap50_95': _mean(by_iou),
            'ap50_by_height': dict(zip(HEIGHTS, by_height, strict=True)),
            **curve_scores(curves[0]),
        }

    def curves(self) -> dict[str, dict[str, list[float]]]:
        """Return the precision envelope of each label at IoU 0.5, on up to 101 recalls."""
        chosen = self._chosen(None)
        boxes = self._box_counts(chosen)
        result = {}
        for k, name in enumerate(self.labels):
            curve = _curve(self._ranked(k, chosen), 0, boxes[k, 0])
            columns = ([], [], []) if curve is None else sampled_envelope(curve)
            result[name] = dict(zip(('recall', 'precision', 'score'), columns, strict=True))
        return _rounded(result)

    def calibration(self, bins: int = 10) -> dict[str, dict[str, Any]]:
        """Return how often the detections of each label are right, at IoU 0.5, by their score.

        Bins are equally wide, and hold None where no detection falls. `ece` is the expected
        calibration error, equation 3 of Guo et al., On Calibration of Modern Neural Networks,
        ICML 2017: the gap between accuracy and mean score of a bin, weighted by its detections.
        """
        chosen = self._chosen(None)
        result = {}
        for k, name in enumerate(self.labels):
            _, score, hit = self._ranked(k, chosen).counted(0)
            index = np.ceil(score * bins).astype(int).clip(1, bins) - 1
            count = np.bincount(index, minlength=bins)
            confidence = np.bincount(index, score, bins)
            accuracy = np.bincount(index, hit, bins)
            result[name] = {
                'confidence': [_ratio(c, n) for c, n in zip(confidence, count, strict=True)],
                'accuracy': [_ratio(a, n) for a, n in zip(accuracy, count, strict=True)],
                'count': count.tolist(),
                'ece': _ratio(np.abs(accuracy - confidence).sum(), count.sum()),
            }
        return _rounded(result)

    def image_f1(self, score: float) -> np.ndarray:
        """Return the (n,) F1 of each image over all labels, of detections of a score or above.

        NaN where nothing is to be found and nothing is found.
        """
        chosen = self._chosen(None)
        boxes = np.stack(self._boxes)[:, :, 0].sum(1)
        found, hits = np.zeros(len(chosen)), np.zeros(len(chosen))
        for k in range(len(self.labels)):
            image, scores, hit = self._ranked(k, chosen).counted(0)
            above = scores >= score
            found += np.bincount(image[above], minlength=len(chosen))
            hits += np.bincount(image[above], hit[above], len(chosen))
        total = boxes + found
        return np.divide(2 * hits, total, out=np.full(len(chosen), np.nan), where=total > 0)

    def _checked(
        self, kind: str, boxes: np.ndarray, labels: np.ndarray, column: np.ndarray
    ) -> np.ndarray:
        where = f'image {len(self._labelled)}, {kind} boxes'
        if boxes.shape != (len(labels), 4) or column.shape != (len(labels),):
            raise ValueError(
                f'{where}: expected {len(labels)} rows of four, found shapes {boxes.shape} '
                f'and {column.shape}'
            )
        if not (np.isfinite(boxes).all() and np.isfinite(column).all()):
            raise ValueError(f'{where}: coordinates and scores must be finite')
        if np.any((labels < 0) | (labels >= len(self.labels))):
            raise ValueError(
                f'{where}: label {labels.min()} to {labels.max()} found, '
                f'expected 0 to {len(self.labels) - 1} of {self.labels}'
            )
        return boxes.astype(float)

    def _chosen(self, images: np.ndarray | None) -> np.ndarray:
        chosen = self.labelled if images is None else self.labelled & images
        if not chosen.any():
            raise ValueError('detection scores need an image with labelled boxes, found none')
        return chosen

    def _no_boxes(self) -> np.ndarray:
        return np.zeros((len(self.labels), len(self._thresholds)), np.int64)

    def _outside(self, boxes: np.ndarray) -> np.ndarray:
        """Return (M, N): the box is too low or too high for the matching."""
        height = boxes[:, 3] - boxes[:, 1]
        low, high = self._heights.T[..., None]
        return (height < low) | (height > high)

    def _box_counts(self, chosen: np.ndarray) -> np.ndarray:
        """Return (labels, matchings): labelled boxes that count."""
        return np.stack(self._boxes)[chosen].sum(0)

    def _ranked(self, k: int, chosen: np.ndarray) -> _Rows:
        """Return the rows of a label in some images, by falling score."""
        parts = self._rows[k]
        if len(parts) > 1:
            rows = _Rows(*map(np.concatenate, zip(*parts, strict=True)))
            # Equal scores keep the order of the images, as in COCO.
            self._rows[k] = [rows.take(np.argsort(-rows.score, kind='stable'))]
        rows = self._rows[k][0]
        return rows.take(chosen[rows.image])


def _curve(rows: _Rows, m: int, boxes: int) -> Curve | None:
    _, score, hit = rows.counted(m)
    return precision_recall_curve(score, hit, boxes) if boxes else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _ratio(part: float, whole: int) -> float | None:
    return float(part / whole) if whole else None


def _rounded(value: Any) -> Any:
    """Return a tree of dicts, arrays and numbers as JSON holds it, with floats to four digits."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, np.ndarray)):
        return [_rounded(item) for item in value]
    return round(float(value), 4) if isinstance(value, float) else value
