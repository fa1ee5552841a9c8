# SPDX-License-Identifier: Apache-2.0
"""From a camera image to a result: fit the image, run the network, map back."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from panoptic_perception.core.letterbox import Letterbox
from panoptic_perception.core.results import Detections, PanopticResult, StageTimes, Thresholds
from panoptic_perception.engines.engine import Engine, NetworkOutput
from panoptic_perception.engines.model_file import ModelFileError


class Perceiver:
    """
    Perceive one image at a time; for use by one thread, since it reuses its input buffer.

    `thresholds` may be replaced between two images; None takes those of the model file.

    Raises:
        ModelFileError: The model runs a fixed number of images other than 1.
    """

    def __init__(self, engine: Engine, *, thresholds: Thresholds | None = None) -> None:
        if engine.model.batch_size not in (None, 1):
            raise ModelFileError(
                f'model file {engine.model.path} runs {engine.model.batch_size} images at a time; '
                'expected 1 or any number: export it again'
            )
        self.engine = engine
        self.thresholds = thresholds or engine.model.thresholds
        width, height = engine.model.input_wh
        self._input = np.full((1, height, width, 3), engine.model.pad_value, np.uint8)

    def __call__(self, image: np.ndarray) -> PanopticResult:
        """Perceive an (H, W, 3) uint8 BGR image."""
        model = self.engine.model
        start = perf_counter()
        letterbox = Letterbox(
            source_wh=(image.shape[1], image.shape[0]),
            network_wh=model.input_wh,
            pad_value=model.pad_value,
        )
        letterbox.image(image, out=self._input[0])
        fitted = perf_counter()
        output = self.engine.run(self._input)
        answered = perf_counter()
        detections = self._detections(output, letterbox)
        drivable = letterbox.content(output.drivable[0])
        lane = letterbox.content(output.lane[0])
        end = perf_counter()
        return PanopticResult(
            source_wh=letterbox.source_wh,
            labels=model.labels,
            detections=detections,
            drivable_probability=drivable,
            lane_probability=lane,
            thresholds=self.thresholds,
            times=StageTimes(
                pre_ms=(fitted - start) * 1e3,
                network_ms=(answered - fitted) * 1e3,
                post_ms=(end - answered) * 1e3,
            ),
            engine=self.engine.info,
        )

    def _detections(self, output: NetworkOutput, letterbox: Letterbox) -> Detections:
        boxes = letterbox.boxes_to_source(output.boxes)
        # A box that lies in the grey bars alone is clipped to nothing.
        visible = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        kept = visible & (output.scores >= self.thresholds.score)
        return Detections(
            boxes=boxes[kept], scores=output.scores[kept], labels=output.labels[kept]
        )
