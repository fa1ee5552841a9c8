# SPDX-License-Identifier: Apache-2.0
"""Counts of a binary mask at every threshold at once, and the scores read from them."""

from __future__ import annotations

import itertools
import math
from typing import Any, Literal

import cv2
import numpy as np

Absent = Literal['zero', 'one', 'skip']

BANDS = ('far', 'middle', 'near')
"""Thirds of the image rows, from the top."""
LEVELS = 256
SWEEP = tuple(round(0.05 * step, 2) for step in range(1, 20))
FLAT = 0.002
"""Difference in IoU that decides nothing."""


class MaskCounts:
    """Known pixels of each image by band, label and predicted level; nothing is averaged.

    An image without a known pixel, whether it has no label or only an ignored one, keeps its index
    but enters no score and no batch.
    """

    def __init__(self) -> None:
        self._store = np.zeros((64, len(BANDS), 2, LEVELS), np.int32)
        self._images = 0

    def __len__(self) -> int:
        return self._images

    @property
    def levels(self) -> np.ndarray:
        """Pixels (n, 3 bands, 2 labels, 256 levels of probability x 255), int32."""
        return self._store[: self._images]

    @property
    def labelled(self) -> np.ndarray:
        """Whether an image has a known pixel, (n,) bool."""
        return np.asarray(self.levels.any(axis=(1, 2, 3)))

    def add(self, label: np.ndarray, probability: np.ndarray) -> None:
        """Count one image: label (H, W) uint8 0, 255 or IGNORE; probability x 255 (H, W) uint8."""
        if label.shape != probability.shape:
            raise ValueError(
                f'label and prediction must have one shape, found {label.shape} and '
                f'{probability.shape}'
            )
        row = self._new_row()
        edges = np.linspace(0, len(label), len(BANDS) + 1).round().astype(int)
        for band, (top, bottom) in enumerate(itertools.pairwise(edges)):
            if bottom > top:
                # Three bins split the label's values into 0, IGNORE and 255.
                planes = label[top:bottom], probability[top:bottom]
                counts = cv2.calcHist(planes, [0, 1], None, [3, LEVELS], [0, 256, 0, 256])
                row[band] = counts[[0, 2]]

    def add_missing(self) -> None:
        """Count an image without that label, so that indices stay those of the images."""
        self._new_row()

    def confusion(
        self, threshold: float, *, images: np.ndarray | None = None, band: int | None = None
    ) -> np.ndarray:
        """
        Return a matrix for each image, of those that have a known pixel.

        Args:
            threshold: Lowest probability of the class.
            images: Which images, (n,) bool; all by default.
            band: Index into BANDS; the whole image by default.

        Returns:
            Pixels (n', 2, 2), int64; rows are the label, columns the prediction.

        """
        levels = self.levels if images is None else self.levels[images]
        levels = levels.sum(axis=1) if band is None else levels[:, band]
        matrices = _matrices(levels, threshold)
        return matrices[matrices.any(axis=(1, 2))]

    def image_iou(self, threshold: float) -> np.ndarray:
        """Return the IoU of each image, (n,); NaN where nothing is labelled and nothing found."""
        return _rates(_matrices(self.levels.sum(axis=1), threshold))['iou']

    def sweep(self) -> dict[str, list[float | None]]:
        """Return IoU, precision and recall of the data set at thresholds from 0.05 to 0.95."""
        rates = self._sweep_rates()
        curves = {name: rates[name] for name in ('iou', 'precision', 'recall')}
        return {
            'threshold': list(SWEEP),
            **{name: [_number(value) for value in curve] for name, curve in curves.items()},
        }

    def best_threshold(self) -> float:
        """Return the threshold nearest to 0.5, on a grid of 0.05, that is as good as the best.

        As good means an IoU within FLAT: around its top the curve says more of the images at
        hand than of the network, whose probabilities are trained for 0.5.
        """
        iou = np.nan_to_num(self._sweep_rates()['iou'])
        good = np.array(SWEEP)[iou >= iou.max() - FLAT]
        return float(good[np.abs(good - 0.5).argmin()])

    def calibration(self, bins: int = 10) -> dict[str, Any]:
        """
        Return how far predicted probabilities can be taken at their word, pixel by pixel.

        Returns:
            For each of `bins` equal ranges of probability the mean 'confidence', the 'accuracy'
            (share of pixels labelled as the class), both None where 'count' is 0; and 'ece', the
            mean distance of the two over all pixels (expected calibration error, Guo et al. 2017).

        """
        negatives, positives = self._total()
        probability = np.arange(LEVELS) / (LEVELS - 1)
        place = np.minimum(np.arange(LEVELS) * bins // (LEVELS - 1), bins - 1)
        pixels = negatives + positives
        count = np.bincount(place, pixels, bins)
        confidence = _ratio(np.bincount(place, pixels * probability, bins), count)
        accuracy = _ratio(np.bincount(place, positives, bins), count)
        gap = np.nan_to_num(np.abs(accuracy - confidence))
        return {
            'confidence': [_number(value) for value in confidence],
            'accuracy': [_number(value) for value in accuracy],
            'count': [int(value) for value in count],
            'ece': _number(_ratio((gap * count).sum(), count.sum())),
        }

    def _new_row(self) -> np.ndarray:
        if self._images == len(self._store):
            self._store = np.concatenate([self._store, np.zeros_like(self._store)])
        self._images += 1
        return self._store[self._images - 1]

    def _total(self) -> np.ndarray:
        return self.levels.sum(axis=(0, 1), dtype=np.int64)

    def _sweep_rates(self) -> dict[str, np.ndarray]:
        total = self._total()
        return _rates(np.stack([_matrices(total, threshold) for threshold in SWEEP]))


def lowest_level(threshold: float) -> int:
    """Return the lowest level, probability x 255, that reaches a threshold: that of the vehicle.

    The 6 digits keep a threshold such as 12 x 0.05, a rounding error above 0.6, at its level.
    """
    return math.ceil(round(threshold * (LEVELS - 1), 6))


def mask_scores(confusion: np.ndarray, *, average: str, absent: Absent) -> dict[str, float | None]:
    """
    Return the scores of some images by one of the published ways to average.

    Args:
        confusion: Pixels (n, 2, 2) of each image; rows are the label, columns the prediction.
        average: What one matrix holds: 'dataset', 'image', or 'batch:K' for K images in their
            order. The scores of several matrices are averaged, each weighing its images.
        absent: IoU in such a matrix of a class that is neither labelled nor found: 'zero' as in
            hustvl/YOLOP lib/core/evaluate.py, 'one' as in JiayuanWang-JW/RMT-PPAD
            ultralytics/utils/metrics.py, 'skip' to leave it out of the mean. Other ratios without
            a denominator are 0 there, as in both sources. A score of the whole data set that has
            no denominator is None instead.

    Returns:
        'iou', 'background_iou', 'miou', 'recall', 'balanced_accuracy', 'precision' and 'f1',
        rounded to 4 digits.

    """
    size = {'dataset': max(1, len(confusion)), 'image': 1}.get(average)
    starts = np.arange(0, len(confusion), size or int(average.removeprefix('batch:')))
    images = np.diff(starts, append=len(confusion))
    matrices = np.add.reduceat(confusion, starts, axis=0)
    rates = _rates(matrices, absent=None if average == 'dataset' else absent)
    return {name: _weighted_mean(values, images) for name, values in rates.items()}


def _matrices(levels: np.ndarray, threshold: float) -> np.ndarray:
    """Split counts (..., 2, 256) at a threshold: (..., 2, 2) int64."""
    level = lowest_level(threshold)
    below, above = levels[..., :level], levels[..., level:]
    return np.stack([part.sum(axis=-1, dtype=np.int64) for part in (below, above)], axis=-1)


def _rates(matrices: np.ndarray, absent: Absent | None = None) -> dict[str, np.ndarray]:
    """Return the scores of each matrix; without `absent` undefined ones are NaN."""
    tn, fp, fn, tp = matrices.reshape(-1, 4).T
    iou = np.stack([_ratio(tn, tn + fp + fn), _ratio(tp, tp + fp + fn)])
    recall, specificity = _ratio(tp, tp + fn), _ratio(tn, tn + fp)
    # Who finds nothing of what is there has no precision to speak of: that is 0.
    precision = _ratio(tp, np.where(tp + fp > 0, tp + fp, fn))
    f1 = _ratio(2 * tp, 2 * tp + fp + fn)
    miou = iou.mean(axis=0)
    if absent is not None:
        recall, specificity, precision, f1 = np.nan_to_num([recall, specificity, precision, f1])
        if absent != 'skip':
            iou = np.nan_to_num(iou, nan=1.0 if absent == 'one' else 0.0)
        miou = np.nanmean(iou, axis=0)
    return {
        'iou': iou[1],
        'background_iou': iou[0],
        'miou': miou,
        'recall': recall,
        'balanced_accuracy': (recall + specificity) / 2,
        'precision': precision,
        'f1': f1,
    }


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide, with NaN for a denominator of 0."""
    return np.divide(part, np.where(whole == 0, np.nan, whole))


def _weighted_mean(values: np.ndarray, weights: np.ndarray) -> float | None:
    known = ~np.isnan(values)
    return _number(_ratio((values * weights)[known].sum(), weights[known].sum()))


def _number(value: np.ndarray | float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
