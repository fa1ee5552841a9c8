# SPDX-License-Identifier: Apache-2.0
"""What is scored: the answer of a network to one image, whoever gave it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

Task = Literal['detection', 'drivable', 'lane']
TASKS: tuple[Task, ...] = ('detection', 'drivable', 'lane')


@dataclass(frozen=True, eq=False)
class Prediction:
    """Boxes and masks of one image; a task that the predictor lacks is empty or None."""

    boxes: np.ndarray
    """(N, 4) float32, x1 y1 x2 y2 in source pixels, clipped to the image."""
    scores: np.ndarray
    """(N,) float32, 0 to 1."""
    labels: np.ndarray
    """(N,) int64, index into the predictor's labels."""
    drivable: np.ndarray | None
    """(h, w) uint8, probability x 255; of any size, it covers the whole image."""
    lane: np.ndarray | None
    """(h, w) uint8, as `drivable`."""


class Predictor(Protocol):
    """Anything that answers an image with a Prediction."""

    labels: tuple[str, ...]
    tasks: frozenset[str]

    def __call__(self, image: np.ndarray, name: str) -> Prediction:
        """Answer an (H, W, 3) uint8 BGR image; `name` is that of its sample."""

    def describe(self) -> dict[str, Any]:
        """Return what identifies the predictor in a report: kind, name, sha256, input, ..."""
