# SPDX-License-Identifier: Apache-2.0
"""Rolling figures of the last frames: percentiles of the stages and the rate."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TimingSummary:
    """Percentiles in ms of the last results, and results a second; 0 where too few are known."""

    inference_p50_ms: float = 0.0
    inference_p95_ms: float = 0.0
    overhead_p50_ms: float = 0.0
    overhead_p95_ms: float = 0.0
    fps: float = 0.0


class RollingTimings:
    """Keep the times of the last `window` results; `fps` looks `rate_span_s` back."""

    def __init__(self, window: int = 300, rate_span_s: float = 5.0) -> None:
        self._lock = threading.Lock()
        self._rate_span_s = rate_span_s
        self._samples: deque[tuple[float, float, float]] = deque(maxlen=window)

    def add(self, *, now_s: float, inference_ms: float, overhead_ms: float) -> None:
        """Note a result: time in the network and time in everything around it."""
        with self._lock:
            self._samples.append((now_s, inference_ms, overhead_ms))

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._samples.clear()

    def summary(self, now_s: float) -> TimingSummary:
        """Return the figures at this time, s on the clock of `add`."""
        with self._lock:
            samples = np.array(self._samples)
        if not len(samples):
            return TimingSummary()
        inference_ms = np.percentile(samples[:, 1], (50, 95))
        overhead_ms = np.percentile(samples[:, 2], (50, 95))
        recent_s = samples[samples[:, 0] > now_s - self._rate_span_s, 0]
        return TimingSummary(
            inference_p50_ms=float(inference_ms[0]),
            inference_p95_ms=float(inference_ms[1]),
            overhead_p50_ms=float(overhead_ms[0]),
            overhead_p95_ms=float(overhead_ms[1]),
            fps=_rate(recent_s, now_s),
        )


def _rate(times_s: np.ndarray, now_s: float) -> float:
    """Return results a second of ascending times, fewer the longer the next is overdue."""
    span_s = float(np.ptp(times_s)) if len(times_s) else 0.0
    if span_s == 0:
        return 0.0
    intervals = len(times_s) - 1
    overdue_s = max(0.0, now_s - times_s[-1] - span_s / intervals)
    return intervals / (span_s + overdue_s)
