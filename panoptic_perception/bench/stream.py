# SPDX-License-Identifier: Apache-2.0
"""Offer frames at a camera's rate, as the node gets them, and time the answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, process_time, sleep

import numpy as np

from panoptic_perception.bench.subject import Subject
from panoptic_perception.core.codec import decode_compressed
from panoptic_perception.engines import EngineError
from panoptic_perception.runtime.counters import Counters
from panoptic_perception.runtime.worker import Worker

_PATIENCE_S = 60.0


@dataclass(frozen=True)
class StreamResult:
    """
    What became of the frames; offered == answered + dropped.

    Latency in ms from the moment the camera's clock gives a frame until its masks and boxes are
    ready. `cpu_cores` is processor time by elapsed time: 1.0 is one core all the time.
    """

    offered: int
    answered: int
    dropped: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_cores: float


def measure_stream(subject: Subject, *, rate_hz: float, seconds: float) -> StreamResult:
    """Offer the frame as a bgr8 image `rate_hz` times a second to the node's worker."""
    image = decode_compressed(subject.jpeg)
    latencies_ms: list[float] = []
    problems: list[str] = []

    def work(due_s: float) -> Callable[[], None]:
        subject.perceive(image)
        return lambda: latencies_ms.append((monotonic() - due_s) * 1e3)

    counters = Counters()
    worker = Worker(work, counters, on_problem=lambda _, error: problems.append(str(error)))
    worker.start()
    start_s, start_cpu_s = monotonic(), process_time()
    for index in range(max(1, round(rate_hz * seconds))):
        # The latency counts from here, however late this thread gets to run.
        due_s = start_s + index / rate_hz
        sleep(max(0.0, due_s - monotonic()))
        worker.submit(due_s)
    idle = counters.wait_until_idle(_PATIENCE_S)
    cpu_cores = (process_time() - start_cpu_s) / (monotonic() - start_s)
    worker.stop()
    if problems or not idle:
        raise EngineError(problems[0] if problems else f'no answer within {_PATIENCE_S:.0f} s')
    counts = counters.snapshot()
    p50, p95, p99 = np.percentile(latencies_ms, (50, 95, 99)).tolist()
    return StreamResult(
        offered=counts.received,
        answered=counts.results,
        dropped=counts.dropped_newer,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        cpu_cores=cpu_cores,
    )
