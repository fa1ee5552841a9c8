# SPDX-License-Identifier: Apache-2.0
"""Intel's road-segmentation-adas-0001: road, kerbs and painted markings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model_tools.evaluation.experts.fitting import InputFormat
from model_tools.evaluation.experts.masks import NO_LABELS, NO_SETTINGS, mask_prediction
from model_tools.evaluation.experts.network import Shape
from model_tools.evaluation.prediction import Prediction
from panoptic_perception.core.letterbox import Letterbox

FORMAT = InputFormat(fit='stretch', values='BGR 0 to 255')
ROAD, MARK = 1, 3
"""Of the classes background, road, kerb and mark."""


class RoadSegmentationDecoder:
    """Reads the probabilities of four classes; a marking is drivable too."""

    labels = NO_LABELS
    tasks = frozenset({'drivable', 'lane'})
    fixed = NO_SETTINGS

    def __init__(self, network_wh: tuple[int, int]) -> None:
        self.output_shapes: tuple[Shape, ...] = ((1, 4, network_wh[1], network_wh[0]),)

    def __call__(self, outputs: Sequence[np.ndarray], letterbox: Letterbox) -> Prediction:
        """Decode the network's answer to one image."""
        probability = outputs[0][0]
        return mask_prediction(probability[ROAD] + probability[MARK], probability[MARK], letterbox)
