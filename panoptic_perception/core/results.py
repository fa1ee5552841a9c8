# SPDX-License-Identifier: Apache-2.0
"""What one camera image means: road users, drivable area, lane lines, and how it was found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from panoptic_perception.core.lanes import lane_polylines

Resolution = Literal['source', 'model']


@dataclass(frozen=True, eq=False)
class Detections:
    """Road users of one image: boxes `(N, 4)` x1 y1 x2 y2 in source pixels, best score first."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        count = len(self.scores)
        found = self.boxes.shape, self.scores.shape, self.labels.shape
        if found != ((count, 4), (count,), (count,)):
            raise ValueError(f'detections need shapes (N, 4), (N,) and (N,), found {found}')

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class Thresholds:
    """Lowest score of a box and lowest probabilities of drivable and lane pixels, all 0 to 1."""

    score: float
    drivable: float
    lane: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value <= 1:
                raise ValueError(f'threshold {name!r} must lie between 0 and 1, found {value}')


@dataclass(frozen=True)
class StageTimes:
    """Milliseconds spent before, in and after the network."""

    pre_ms: float
    network_ms: float
    post_ms: float

    @property
    def total_ms(self) -> float:
        """Milliseconds from image to result."""
        return self.pre_ms + self.network_ms + self.post_ms


@dataclass(frozen=True)
class EngineInfo:
    """
    What runs the network: engine, its provider, number precision, and threads.

    `note` says what was asked for and could not be had, and why; '' if nothing.
    """

    engine: str
    provider: str
    precision: str
    threads: int
    note: str = ''


@dataclass(frozen=True, eq=False)
class PanopticResult:
    """
    The result of one camera image.

    The probabilities are uint8 planes (probability x 255) at the network's resolution without
    the letterbox bars; `labels` are the names that `detections.labels` points into.
    """

    source_wh: tuple[int, int]
    labels: tuple[str, ...]
    detections: Detections
    drivable_probability: np.ndarray
    lane_probability: np.ndarray
    thresholds: Thresholds
    times: StageTimes
    engine: EngineInfo

    def drivable_mask(self, resolution: Resolution = 'source') -> np.ndarray:
        """Return the drivable area as 0 or 255, uint8, at source or model size."""
        return self._mask(self.drivable_probability, self.thresholds.drivable, resolution)

    def lane_mask(self, resolution: Resolution = 'source') -> np.ndarray:
        """Return the lane lines as 0 or 255, uint8, at source or model size."""
        return self._mask(self.lane_probability, self.thresholds.lane, resolution)

    def lanes(self) -> list[np.ndarray]:
        """Return the lane lines as polylines in source pixels, see `lane_polylines`."""
        height, width = self.lane_probability.shape
        scale = self.source_wh[0] / width, self.source_wh[1] / height
        return lane_polylines(self.lane_mask('model'), scale=scale)

    def _mask(self, probability: np.ndarray, threshold: float, resolution: str) -> np.ndarray:
        out = None
        if resolution == 'source':
            probability = cv2.resize(probability, self.source_wh, interpolation=cv2.INTER_LINEAR)
            out = probability
        elif resolution != 'model':
            raise ValueError(f"mask resolution must be 'source' or 'model', found {resolution!r}")
        # A pixel counts from the threshold upwards; OpenCV compares with "greater than".
        below = math.ceil(round(threshold * 255, 6)) - 1
        return cv2.threshold(probability, below, 255, cv2.THRESH_BINARY, dst=out)[1]
