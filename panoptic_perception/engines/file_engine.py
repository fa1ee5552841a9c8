# SPDX-License-Identifier: Apache-2.0
"""What all engines that run a model file have in common: their threads, input, output, warm-up."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np

from panoptic_perception.core.results import EngineInfo
from panoptic_perception.engines.engine import EngineError, NetworkOutput, checked_output
from panoptic_perception.engines.model_file import ModelInfo


def thread_count(threads: int) -> int:
    """Return the number of threads to run with; 0 means two, or one on a single core."""
    return threads or min(2, len(os.sched_getaffinity(0)))


class FileEngine(ABC):
    """A model file that a library has loaded; `batch_size` is None where any number runs."""

    def __init__(self, model: ModelInfo, info: EngineInfo, *, batch_size: int | None) -> None:
        self.model = model
        self.info = info
        self._batch_size = batch_size

    def run(self, images: np.ndarray) -> NetworkOutput:
        """Run a batch of shape `(N, H, W, 3)`, uint8 BGR; the arrays returned are the caller's."""
        self._check_images(images)
        try:
            arrays = self._infer(images)
        except Exception as error:  # the errors of the libraries share no narrower base
            raise EngineError(
                f'{self.info.engine} failed to run {self.model.path}: {error}'
            ) from error
        return checked_output(self.model, len(images), arrays)

    def warm_up(self) -> float:
        """Run once on an empty image; return the milliseconds it took."""
        width, height = self.model.input_wh
        shape = (self._batch_size or 1, height, width, 3)
        start = time.perf_counter()
        self.run(np.full(shape, self.model.pad_value, np.uint8))
        return (time.perf_counter() - start) * 1e3

    @abstractmethod
    def _infer(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return the outputs of the network by name, in arrays of their own."""

    def _check_images(self, images: np.ndarray) -> None:
        width, height = self.model.input_wh
        batch_size = self._batch_size or len(images)
        expected = (batch_size, height, width, 3)
        if not batch_size or images.shape != expected or images.dtype != np.uint8:
            raise EngineError(
                f'network input must have shape {expected} and type uint8, '
                f'found shape {images.shape} and type {images.dtype}'
            )
