# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from time import sleep

import pytest

from panoptic_perception.bench.stream import measure_stream
from panoptic_perception.engines import EngineError


class FakeSubject:
    """A perceiver of known speed: what is tested here is the stream around it."""

    def __init__(self, jpeg: bytes, seconds: float = 0.0, error: Exception | None = None) -> None:
        self.jpeg = jpeg
        self._seconds = seconds
        self._error = error

    def perceive(self, image) -> float:
        assert image.shape == (720, 1280, 3)
        sleep(self._seconds)
        if self._error:
            raise self._error
        return 0.0


def test_measure_stream__a_fast_perceiver(jpeg):
    result = measure_stream(FakeSubject(jpeg), rate_hz=10, seconds=0.5)
    assert result.offered == 5 == result.answered + result.dropped
    assert result.answered >= 1
    assert 0 < result.p50_ms <= result.p95_ms <= result.p99_ms
    assert 0 <= result.cpu_cores < 2


def test_measure_stream__a_slow_perceiver_drops_and_stays_with_the_newest(jpeg):
    result = measure_stream(FakeSubject(jpeg, seconds=0.25), rate_hz=40, seconds=1)
    assert result.offered == 40
    assert result.answered + result.dropped == 40
    assert 2 <= result.answered <= 6
    assert result.p50_ms >= 250


def test_measure_stream__a_rate_below_one_frame_offers_one(jpeg):
    result = measure_stream(FakeSubject(jpeg), rate_hz=0.5, seconds=0.1)
    assert (result.offered, result.answered) == (1, 1)


def test_measure_stream__a_frame_that_fails_ends_the_row(jpeg):
    subject = FakeSubject(jpeg, error=EngineError('device lost'))
    with pytest.raises(EngineError, match='device lost'):
        measure_stream(subject, rate_hz=10, seconds=0.2)
