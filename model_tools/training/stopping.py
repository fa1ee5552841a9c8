# SPDX-License-Identifier: Apache-2.0
"""Stop between two steps: after some minutes, on Ctrl-C, or when the machine is taken away."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Tells whether to stop; while entered, it catches the first signal. A second one kills."""

    def __init__(
        self, minutes: float = math.inf, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin to count the minutes."""
        if not minutes >= 0:
            raise ValueError(f'--minutes {minutes:g}: expected a number of at least 0')
        self.signal: int | None = None
        """The signal that came, if one did."""
        self._clock = clock
        self._deadline = clock() + 60 * minutes
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        self._previous = {number: signal.signal(number, self._catch) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()

    def due(self) -> bool:
        """Return whether a signal came or the time is over."""
        return self.signal is not None or self._clock() >= self._deadline

    def _catch(self, number: int, _: FrameType | None) -> None:
        self.signal = number
        self._release()

    def _release(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
