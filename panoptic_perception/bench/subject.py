# SPDX-License-Identifier: Apache-2.0
"""What a process of the benchmark measures: one perceiver and one camera image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

import cv2
import numpy as np

from panoptic_perception.bench.case import Case
from panoptic_perception.core.codec import decode_compressed
from panoptic_perception.engines import Engine, EngineError, NetworkOutput, load_engine
from panoptic_perception.runtime.perceiver import Perceiver


@dataclass(frozen=True)
class Sample:
    """
    Milliseconds of one frame.

    `decode_ms` is JPEG to array and counts for compressed images alone. `frame_ms` is all that
    follows, from the array to boxes and both masks at source size; `pre_ms` and `network_ms` are
    parts of it. `cpu_ms` and `network_cpu_ms` are processor time of the frame and the network,
    added over all threads.
    """

    decode_ms: float
    pre_ms: float
    network_ms: float
    frame_ms: float
    cpu_ms: float
    network_cpu_ms: float

    @property
    def post_ms(self) -> float:
        """Milliseconds after the network."""
        return self.frame_ms - self.pre_ms - self.network_ms


class Subject:
    """
    A loaded model and the frame to show it.

    Raises:
        EngineError: What the case asks for cannot be had here, its number of threads included.
    """

    def __init__(self, case: Case, jpeg: bytes) -> None:
        # A row of one thread shall be one thread in all its parts.
        cv2.setNumThreads(case.threads)
        engine = load_engine(
            case.model,
            engine=case.engine,
            device=case.device,
            precision=case.precision,
            threads=case.threads,
        )
        if engine.info.threads != case.threads:
            raise EngineError(engine.info.note)
        self.engine = MeteredEngine(engine)
        self.jpeg = jpeg
        self._perceiver = Perceiver(self.engine)

    def perceive(self, image: np.ndarray) -> float:
        """Find everything in an image, masks at source size; return its ms before the network."""
        result = self._perceiver(image)
        result.drivable_mask()
        result.lane_mask()
        return result.times.pre_ms


class MeteredEngine:
    """An engine that notes the milliseconds of its last run."""

    def __init__(self, engine: Engine) -> None:
        self.model = engine.model
        self.info = engine.info
        self.wall_ms = 0.0
        self.cpu_ms = 0.0
        self._engine = engine

    def run(self, images: np.ndarray) -> NetworkOutput:
        start, start_cpu = perf_counter(), process_time()
        output = self._engine.run(images)
        self.cpu_ms = (process_time() - start_cpu) * 1e3
        self.wall_ms = (perf_counter() - start) * 1e3
        return output

    def warm_up(self) -> float:
        return self._engine.warm_up()


def measure_frame(subject: Subject) -> Sample:
    """Perceive the frame once."""
    start = perf_counter()
    image = decode_compressed(subject.jpeg)
    decoded, decoded_cpu = perf_counter(), process_time()
    pre_ms = subject.perceive(image)
    cpu_ms = (process_time() - decoded_cpu) * 1e3
    return Sample(
        decode_ms=(decoded - start) * 1e3,
        pre_ms=pre_ms,
        network_ms=subject.engine.wall_ms,
        frame_ms=(perf_counter() - decoded) * 1e3,
        cpu_ms=cpu_ms,
        network_cpu_ms=subject.engine.cpu_ms,
    )


def peak_memory_mb(_: Subject) -> float | None:
    """Return the most memory that this process ever held, None where Linux does not say."""
    # getrusage's figure would start at that of the parent process.
    found = re.search(r'VmHWM:\s+(\d+) kB', Path('/proc/self/status').read_text())
    return int(found[1]) / 1024 if found else None
