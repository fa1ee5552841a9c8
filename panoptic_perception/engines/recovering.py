# SPDX-License-Identifier: Apache-2.0
"""Load a model again when the engine that runs it is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import monotonic

import numpy as np

from panoptic_perception.core.results import EngineInfo
from panoptic_perception.engines.engine import (
    Engine,
    EngineError,
    EngineOutputError,
    NetworkOutput,
)
from panoptic_perception.engines.model_file import ModelFileError, ModelInfo, read_model

FAILURES = 3
"""In a row, after which an engine counts as lost: one may be the fault of its image."""
PAUSE_S = 10.0
"""From one attempt at loading to the next, whatever became of it."""


class RecoveringEngine:
    """
    An engine that is loaded anew after some failures in a row; for use by one thread.

    Every run that fails raises; the next one loads the model first, if it is time to. The lost
    engine is let go before, so that its memory is free. Outputs that must not be used count as
    answers: the engine works.
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
        self._is_closed = False
        self._failures = 0
        self._last_failure = ''
        self._loss = ''
        self._next_attempt = clock()
        engine = load()
        self._engine: Engine | None = engine
        self._model = engine.model
        self._info = engine.info

    @property
    def model(self) -> ModelInfo:
        """Return the model file, the same after any loss."""
        return self._model

    @property
    def info(self) -> EngineInfo:
        """Return what runs, after a loss perhaps something else; its note tells of the loss."""
        return self._info

    def run(self, images: np.ndarray) -> NetworkOutput:
        """Run a batch of shape `(N, H, W, 3)`, uint8 BGR."""
        if self._failures >= FAILURES and self._clock() >= self._next_attempt:
            self._recover()
        try:
            output = self._running().run(images)
        except EngineOutputError:
            self._failures = 0
            raise
        except EngineError as error:
            self._failures += 1
            self._last_failure = str(error)
            raise
        self._failures = 0
        return output

    def warm_up(self) -> float:
        """Run once on an empty image; return the milliseconds it took."""
        return self._running().warm_up()

    @property
    def outage(self) -> str:
        """Return why nothing runs, '' if something does."""
        return '' if self._engine else self._info.note

    def close(self) -> None:
        """Load nothing more; for any thread."""
        self._is_closed = True

    def _running(self) -> Engine:
        if self._engine is None:
            raise EngineError(self._info.note)
        return self._engine

    def _check(self, model: ModelInfo) -> None:
        if model.sha256 != self._model.sha256:
            raise ModelFileError(
                f'{self._model.path} holds another model now: configure the node again'
            )

    def _recover(self) -> None:
        if self._is_closed:
            return
        self._next_attempt = self._clock() + PAUSE_S
        was = self._info
        if self._engine is not None:
            failed = f'{was.engine} {was.provider} has failed {self._failures} times'
            self._loss = f'{failed}: {self._last_failure}'
            self._info = replace(was, note=f'{self._loss}; it is being loaded again')
            self._engine = None
        try:
            self._check(read_model(self._model.path))  # before a build of minutes
            engine = self._load()
            self._check(engine.model)
        except Exception as error:  # of a disk, too: the thread must live
            self._info = replace(was, note=f'{self._loss}; it cannot be loaded again: {error}')
        else:
            now = f'{engine.info.engine} {engine.info.provider} {engine.info.precision}'
            told = '; '.join(
                filter(None, (self._loss, f'loaded again, now {now}', engine.info.note))
            )
            self._engine, self._failures = engine, 0
            self._info = replace(engine.info, note=told)
        if not self._is_closed:
            self._on_loss(self._info.note)
