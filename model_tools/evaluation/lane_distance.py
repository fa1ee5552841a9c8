# SPDX-License-Identifier: Apache-2.0
"""Lane lines compared with a tolerance: near a labelled line is as good as on it."""

from __future__ import annotations

import cv2
import numpy as np

from model_tools.data.sample import IGNORE


class LaneDistanceCounts:
    """Lane pixels of each image, and those with a counterpart within a distance.

    Precision is the share of found lane pixels within `tolerance_px` of a labelled one, recall the
    share of labelled lane pixels within it of a found one. The distance is Euclidean, between
    pixel centres, in pixels of the masks, which have source size. Found pixels on IGNORE are left
    out of both: no lane is wrong there, and none confirms its neighbour.
    """

    def __init__(self, tolerance_px: float = 4.0) -> None:
        self.tolerance_px = tolerance_px
        reach = int(tolerance_px)
        y, x = np.ogrid[-reach : reach + 1, -reach : reach + 1]
        self._disc = (x**2 + y**2 <= tolerance_px**2).astype(np.uint8)
        self._rows: list[list[int]] = []

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def counts(self) -> np.ndarray:
        """Pixels (n, 4), int64: found, of those near a label; labelled, of those near a find."""
        return np.array(self._rows, np.int64).reshape(-1, 4)

    def add(self, label: np.ndarray, prediction: np.ndarray) -> None:
        """Count one image: label (H, W) uint8 0, 255 or IGNORE; prediction (H, W), not 0: lane."""
        labelled = label == 255
        found = (prediction != 0) & (label != IGNORE)
        pixels = found, found & self._near(labelled), labelled, labelled & self._near(found)
        self._rows.append([int(np.count_nonzero(chosen)) for chosen in pixels])

    def add_missing(self) -> None:
        """Count an image without lane labels, so that indices stay those of the images."""
        self._rows.append([0, 0, 0, 0])

    def scores(self, images: np.ndarray | None = None) -> dict[str, float | None]:
        """Return precision, recall and F1 of the data set, or of some images, (n,) bool.

        Without any labelled lane there is no recall, without any lane at all no score: None.
        """
        counts = self.counts if images is None else self.counts[images]
        found, right, labelled, reached = (int(total) for total in counts.sum(axis=0))
        if not found + labelled:
            return {'precision': None, 'recall': None, 'f1': None}
        precision, recall = right / max(1, found), reached / max(1, labelled)
        f1 = 2 * precision * recall / (precision + recall) if right else 0.0
        return {
            'precision': round(precision, 4),
            'recall': round(recall, 4) if labelled else None,
            'f1': round(f1, 4),
        }

    def _near(self, lane: np.ndarray) -> np.ndarray:
        # The same pixels as a distance transform up to the tolerance gives, in a twentieth of its
        # time, and an empty mask is near nothing.
        return cv2.dilate(lane.astype(np.uint8), self._disc) > 0
