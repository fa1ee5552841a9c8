# SPDX-License-Identifier: Apache-2.0
"""What the mask decoders share: planes of the whole image, and no boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from model_tools.evaluation.prediction import Prediction
from panoptic_perception.core.letterbox import Letterbox

NO_LABELS: tuple[str, ...] = ()
NO_SETTINGS: Mapping[str, Any] = {}


def mask_prediction(drivable: np.ndarray, lane: np.ndarray, letterbox: Letterbox) -> Prediction:
    """Return two probabilities (H, W) of network size as planes without the letterbox bars."""
    return Prediction(
        boxes=np.empty((0, 4), np.float32),
        scores=np.empty(0, np.float32),
        labels=np.empty(0, np.int64),
        drivable=_plane(letterbox.content(drivable)),
        lane=_plane(letterbox.content(lane)),
    )


def _plane(probability: np.ndarray) -> np.ndarray:
    return cv2.convertScaleAbs(probability, alpha=255.0)
