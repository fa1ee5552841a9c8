# SPDX-License-Identifier: Apache-2.0
"""Notice that the camera fell silent, that it is back, and that images bring no results."""

from __future__ import annotations

import enum

from panoptic_perception.runtime.counters import CounterSnapshot

PAUSE_S = 5.0
"""Frames further apart than this are not waited on for results."""


class Change(enum.Enum):
    """What a look at the input found new."""

    NOTHING = enum.auto()
    SILENT = enum.auto()
    BACK = enum.auto()


class InputWatchdog:
    """
    Judge the silence of an input on a clock that the caller reads.

    All times are seconds on one steady clock.
    """

    def __init__(self, now_s: float) -> None:
        self._last_s = now_s
        self._diagnosis = ''
        self._came = False

    @property
    def has_frame(self) -> bool:
        """Whether a frame came since the start, or since the last news of a silence."""
        return self._came

    def frame(self, now_s: float) -> None:
        """Note that a frame came."""
        self._last_s, self._came = now_s, True

    def silence_s(self, now_s: float) -> float:
        """Return the time since the last frame, or since the start without one."""
        return now_s - self._last_s

    def is_silent(self, now_s: float, timeout_s: float) -> bool:
        """Whether no frame came for as long as the timeout."""
        return self.silence_s(now_s) >= timeout_s

    def report(self, diagnosis: str) -> Change:
        """
        Tell whether the diagnosis of the input, '' when frames come, is news.

        A silence is news once, and again when its diagnosis changes. Its end is news with the
        first frame, not where it is merely no longer looked for.
        """
        if diagnosis == self._diagnosis or not (diagnosis or self._came):
            return Change.NOTHING
        self._diagnosis = diagnosis
        if diagnosis:
            self._came = False
        return Change.SILENT if diagnosis else Change.BACK


class ResultWatchdog:
    """
    Judge for how long frames have come without a result.

    All times are seconds on one steady clock.
    """

    def __init__(self, now_s: float) -> None:
        self._received, self._received_s = 0, now_s
        self._before, self._before_s = CounterSnapshot(), now_s

    def barren(self, counters: CounterSnapshot, now_s: float) -> tuple[float, CounterSnapshot]:
        """Return for how long frames came and none brought a result, and the accounts before."""
        if counters.received != self._received:
            self._received, self._received_s = counters.received, now_s
        paused = now_s - self._received_s >= PAUSE_S
        if paused or counters.results != self._before.results:
            self._before, self._before_s = counters, now_s
        return now_s - self._before_s, self._before
