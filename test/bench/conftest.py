# SPDX-License-Identifier: Apache-2.0
"""A case that any machine can run, and measurements made by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from panoptic_perception.bench.case import Case
from panoptic_perception.bench.frame import camera_jpeg
from panoptic_perception.bench.rows import Measurement
from panoptic_perception.bench.subject import Sample
from panoptic_perception.core.results import EngineInfo

CPU = EngineInfo('onnxruntime', 'CPUExecutionProvider', 'fp32', 1)


@pytest.fixture
def tiny_case(tiny_model: Path) -> Case:
    """Return the tiny model on one thread of ONNX Runtime."""
    return Case('tiny', tiny_model, 'onnxruntime', 'cpu', 'auto', threads=1)


@pytest.fixture(scope='session')
def jpeg() -> bytes:
    """Return the benchmark's camera image."""
    return camera_jpeg()


@pytest.fixture
def measured() -> Callable[..., Measurement]:
    """
    Return a function that makes a measurement from frame times.

    A frame takes as many ms of the wall's clock as given: a tenth before and a tenth after the
    network; half of each is processor time. Decoding takes a quarter on top.
    """

    def make(
        frames_ms: Sequence[float], *, info: EngineInfo = CPU, model: str = 'road.onnx'
    ) -> Measurement:
        case = Case(Path(model).stem, Path(model), 'auto', 'auto', 'auto', info.threads)
        samples = [
            Sample(
                decode_ms=0.25 * ms,
                pre_ms=0.1 * ms,
                network_ms=0.8 * ms,
                frame_ms=ms,
                cpu_ms=0.5 * ms,
                network_cpu_ms=0.4 * ms,
            )
            for ms in frames_ms
        ]
        return Measurement(case, info, first_result_s=1.5, peak_mb=200.0, samples=tuple(samples))

    return make
