# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import pytest

from panoptic_perception.bench.subject import Subject, measure_frame, peak_memory_mb
from panoptic_perception.core.codec import decode_compressed


@pytest.fixture
def subject(tiny_case, jpeg):
    threads = cv2.getNumThreads()
    yield Subject(tiny_case, jpeg)
    cv2.setNumThreads(threads)


def test_measure_frame__the_parts_make_the_whole(subject):
    sample = measure_frame(subject)
    assert sample.decode_ms > 0
    assert sample.pre_ms > 0
    assert sample.post_ms > 0
    assert sample.pre_ms + sample.network_ms + sample.post_ms == pytest.approx(sample.frame_ms)
    assert 0 < sample.network_cpu_ms < sample.cpu_ms


def test_perceive__returns_the_time_before_the_network(subject, jpeg):
    assert 0 < subject.perceive(decode_compressed(jpeg)) < 1000
    assert subject.engine.wall_ms > 0


def test_peak_memory_mb(subject):
    assert 20 < peak_memory_mb(subject) < 100_000
