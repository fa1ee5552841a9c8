# SPDX-License-Identifier: Apache-2.0
"""Counts of a binary mask at every threshold at once."""

from __future__ import annotations

import numpy as np

from model_tools.data.sample import IGNORE

FLAT = 0.002
"""Difference in IoU that decides nothing."""


class MaskCounts:
    """Known pixels by label and predicted level; every score is read from these counts."""

    def __init__(self) -> None:
        self.levels = np.zeros((2, 256), np.int64)
        """Rows: label 0 and 1. Columns: probability x 255, uint8."""

    def add(self, label: np.ndarray, probability: np.ndarray) -> None:
        """Count one image: label (H, W) 0, 255 or IGNORE; probability (H, W) uint8."""
        known = label != IGNORE
        index = (label[known] == 255).astype(np.int64) * 256 + probability[known]
        self.levels += np.bincount(index, minlength=512).reshape(2, 256)

    def iou(self, threshold: float) -> float | None:
        """Return the IoU at a probability threshold, None if the class is nowhere."""
        level = int(np.ceil(round(threshold * 255, 6)))
        negatives, positives = self.levels
        hits, false = positives[level:].sum(), negatives[level:].sum()
        union = positives.sum() + false
        return float(hits / union) if union else None

    def best_threshold(self) -> float:
        """Return the threshold nearest to 0.5, on a grid of 0.05, that is as good as the best.

        As good means an IoU within FLAT: around its top the curve says more of the images at
        hand than of the network, whose probabilities are trained for 0.5.
        """
        grid = np.arange(1, 20) * 0.05
        scores = np.array([self.iou(t) or 0.0 for t in grid])
        good = grid[scores >= scores.max() - FLAT]
        return round(float(good[np.abs(good - 0.5).argmin()]), 2)
