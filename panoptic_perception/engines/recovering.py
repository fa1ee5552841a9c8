# SPDX-License-Identifier: Apache-2.0
"""Load a model again when the engine that runs it is lost, such as with its GPU."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import numpy as np

from panoptic_perception.core.results import EngineInfo
from panoptic_perception.engines.engine import (
    Engine,
    EngineError,
    EngineOutputError,
    NetworkOutput,
)
from panoptic_perception.engines.model_file import ModelFileError, ModelInfo

FAILURES = 3
"""In a row, after which an engine counts as lost: one may be the fault of its image."""
PAUSE_S = 10.0
"""Between two attempts at loading."""


class RecoveringEngine:
    """
    An engine that is loaded anew after some failures in a row; for use by one thread.

    Every run that fails raises, the last of them after the attempt at loading, so no image is
    lost unseen. Outputs that must not be used count as answers: the engine works.
    """

    def __init__(
        self,
        load: Callable[[], Engine],
        *,
        on_loss: Callable[[str], None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """
        Load the engine for the first time.

        Args:
            load: How, now and later; by its policy it may find another way to run the model.
            on_loss: Told in one sentence what was lost and what runs now, or why nothing does.
            clock: Seconds.

        Raises:
            EngineError, ModelFileError: Of `load`.
        """
        self._load = load
        self._on_loss = on_loss
        self._clock = clock
        self._engine = load()
        self._failures = 0
        self._next_attempt = clock()

    @property
    def model(self) -> ModelInfo:
        """Return the model file, the same after any loss."""
        return self._engine.model

    @property
    def info(self) -> EngineInfo:
        """Return what runs, after a loss perhaps something else."""
        return self._engine.info

    def run(self, images: np.ndarray) -> NetworkOutput:
        """Run a batch of shape `(N, H, W, 3)`, uint8 BGR."""
        try:
            output = self._engine.run(images)
        except EngineOutputError:
            self._failures = 0
            raise
        except EngineError as error:
            self._failures += 1
            if self._failures >= FAILURES and self._clock() >= self._next_attempt:
                self._recover(error)
            raise
        self._failures = 0
        return output

    def warm_up(self) -> float:
        """Run once on an empty image; return the milliseconds it took."""
        return self._engine.warm_up()

    def _recover(self, loss: EngineError) -> None:
        lost = f'{self.info.engine} {self.info.provider} has failed {self._failures} times: {loss}'
        try:
            engine = self._load()
            if engine.model.sha256 != self.model.sha256:
                raise ModelFileError(
                    f'{self.model.path} holds another model now: configure the node again'
                )
            engine.warm_up()
        except (EngineError, ModelFileError) as error:
            self._next_attempt = self._clock() + PAUSE_S
            self._on_loss(f'{lost}; it cannot be loaded again: {error}')
            return
        self._engine, self._failures = engine, 0
        now = f'{engine.info.engine} {engine.info.provider} {engine.info.precision}'
        self._on_loss(f'{lost}; loaded again, now {now}')
