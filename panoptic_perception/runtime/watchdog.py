# SPDX-License-Identifier: Apache-2.0
"""Notice that the camera fell silent, and that it is back."""

from __future__ import annotations

import enum


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

    def frame(self, now_s: float) -> None:
        """Note that a frame came."""
        self._last_s = now_s

    def silence_s(self, now_s: float) -> float:
        """Return the time since the last frame, or since the start without one."""
        return now_s - self._last_s

    def is_silent(self, now_s: float, timeout_s: float) -> bool:
        """Whether no frame came for as long as the timeout."""
        return self.silence_s(now_s) >= timeout_s

    def report(self, diagnosis: str) -> Change:
        """
        Tell whether the diagnosis of the input, '' when frames come, is news.

        A silence is news once, and again when its diagnosis changes.
        """
        before, self._diagnosis = self._diagnosis, diagnosis
        if diagnosis == before:
            return Change.NOTHING
        return Change.SILENT if diagnosis else Change.BACK
