# SPDX-License-Identifier: Apache-2.0
"""TwinLiteNet and TwinLiteNet+: drivable area and lane lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model_tools.evaluation.experts.fitting import InputFormat
from model_tools.evaluation.experts.masks import NO_LABELS, NO_SETTINGS, mask_prediction
from model_tools.evaluation.experts.network import Shape
from model_tools.evaluation.prediction import Prediction
from panoptic_perception.core.letterbox import Letterbox

FORMAT = InputFormat(fit='stretch', values='RGB 0 to 1', rgb=True, std=(255.0,) * 3)
PLUS_FORMAT = InputFormat(fit='letterbox', values='RGB 0 to 1', rgb=True, std=(255.0,) * 3)


class TwinLiteNetDecoder:
    """Reads two logits a pixel and task, background first.

    Source: Che et al., TwinLiteNet, 2023, and TwinLiteNet+, 2024.
    """

    labels = NO_LABELS
    tasks = frozenset({'drivable', 'lane'})
    fixed = NO_SETTINGS

    def __init__(self, network_wh: tuple[int, int]) -> None:
        self.output_shapes: tuple[Shape, ...] = ((1, 2, network_wh[1], network_wh[0]),) * 2

    def __call__(self, outputs: Sequence[np.ndarray], letterbox: Letterbox) -> Prediction:
        """Decode the network's answer to one image."""
        drivable, lane = (_probability(logits[0]) for logits in outputs)
        return mask_prediction(drivable, lane, letterbox)


def _probability(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of the second of two logits (2, H, W)."""
    # The exponential may overflow to infinity, which is the right answer 0.
    with np.errstate(over='ignore'):
        return 1 / (1 + np.exp(logits[0] - logits[1]))
