# SPDX-License-Identifier: Apache-2.0
import pytest

from panoptic_perception.runtime.timings import RollingTimings, TimingSummary


def filled(times_s, **kwargs):
    timings = RollingTimings(**kwargs)
    for index, now_s in enumerate(times_s):
        timings.add(now_s=now_s, inference_ms=10.0 * index, overhead_ms=1.0)
    return timings


@pytest.mark.parametrize(
    ('times_s', 'now_s', 'fps'),
    [
        ([], 0.0, 0.0),
        ([1.0], 1.0, 0.0),
        ([1.0, 1.5, 2.0], 2.0, 2.0),
        ([1.0, 1.5, 2.0], 2.5, 2.0),
        ([1.0, 1.5, 2.0], 5.5, 0.5),
        ([1.0, 1.0], 1.0, 0.0),
        ([1.0, 1.5, 2.0], 100.0, 0.0),
        ([0.0, 20.0, 20.1, 20.2], 20.2, 10.0),
    ],
)
def test_summary__rate(times_s, now_s, fps):
    assert filled(times_s).summary(now_s).fps == pytest.approx(fps)


def test_summary__percentiles_of_the_window():
    summary = filled(range(21), window=11).summary(20.0)
    assert summary.inference_p50_ms == pytest.approx(150.0)
    assert summary.inference_p95_ms == pytest.approx(195.0)
    assert summary.overhead_p50_ms == summary.overhead_p95_ms == pytest.approx(1.0)


def test_clear():
    timings = filled([1.0, 2.0])
    timings.clear()
    assert timings.summary(2.0) == TimingSummary()
