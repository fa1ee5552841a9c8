# SPDX-License-Identifier: Apache-2.0
"""Accounts of the frames: each one received ends in exactly one outcome."""

from __future__ import annotations

import enum
import threading
from collections import Counter
from dataclasses import dataclass, field


class Outcome(enum.Enum):
    """What became of a frame; the value is its name in diagnostics."""

    RESULT = 'results'
    DROPPED_NEWER = 'dropped_newer'
    """A newer frame took its place before work on it began."""
    DROPPED_STALE = 'dropped_stale'
    """It was over the age limit, or from before a deactivation, reset or clock jump."""
    INVALID = 'invalid'
    """The message does not hold an image."""
    FAILED = 'failed'
    """The work on it raised an error."""


@dataclass(frozen=True)
class CounterSnapshot:
    """
    The accounts at one instant.

    received == results + dropped_newer + dropped_stale + invalid + failed + in_flight holds
    in every snapshot; `in_flight` frames wait or are in work, 0 when idle.
    """

    received: int = 0
    results: int = 0
    dropped_newer: int = 0
    dropped_stale: int = 0
    invalid: int = 0
    failed: int = 0
    in_flight: int = 0
    invalid_reasons: dict[str, int] = field(default_factory=dict)


class Counters:
    """Count frames from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._received = 0
        self._in_flight = 0
        self._outcomes: Counter[Outcome] = Counter()
        self._reasons: Counter[str] = Counter()

    def frame_received(self) -> None:
        """Open the account of a frame."""
        with self._changed:
            self._received += 1
            self._in_flight += 1

    def frame_finished(self, outcome: Outcome, *, reason: str = '') -> None:
        """Close the account of a frame; an invalid one needs its reason."""
        with self._changed:
            self._in_flight -= 1
            self._outcomes[outcome] += 1
            if outcome is Outcome.INVALID:
                self._reasons[reason] += 1
            self._changed.notify_all()

    def snapshot(self) -> CounterSnapshot:
        """Return the accounts at this instant."""
        with self._changed:
            return CounterSnapshot(
                received=self._received,
                in_flight=self._in_flight,
                invalid_reasons=dict(sorted(self._reasons.items())),
                **{outcome.value: self._outcomes[outcome] for outcome in Outcome},
            )

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until no frame is in flight; return False if that took too long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._in_flight == 0, timeout_s)

    def reset(self) -> None:
        """Start again from zero; frames in flight stay on the books as received."""
        with self._changed:
            self._received = self._in_flight
            self._outcomes.clear()
            self._reasons.clear()
