# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import cv2
import pytest

from panoptic_perception.bench.subject import Subject, measure_frame, peak_memory_mb
from panoptic_perception.core.codec import decode_compressed
from panoptic_perception.engines import EngineError


@pytest.fixture
def subject(tiny_case, jpeg):
    threads = cv2.getNumThreads()
    yield Subject(tiny_case, jpeg)
    cv2.setNumThreads(threads)


def test_measure_frame__every_part_takes_time(subject):
    sample = measure_frame(subject)
    assert sample.decode_ms > 0
    assert sample.pre_ms > 0
    assert sample.post_ms > 0
    assert 0 < sample.network_cpu_ms < sample.cpu_ms


def test_perceive__returns_the_time_before_the_network(subject, jpeg):
    assert 0 < subject.perceive(decode_compressed(jpeg)) < 1000
    assert subject.engine.wall_ms > 0


@pytest.mark.skipif(not find_spec('openvino'), reason='openvino is missing')
def test_subject__a_number_of_threads_that_is_not_met_is_no_subject(tiny_case, jpeg):
    case = replace(tiny_case, engine='openvino', threads=256)
    with pytest.raises(EngineError, match=r'openvino takes .* of 256 threads'):
        Subject(case, jpeg)


def test_peak_memory_mb(subject):
    assert 20 < peak_memory_mb(subject) < 100_000
