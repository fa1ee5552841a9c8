# SPDX-License-Identifier: Apache-2.0
import threading

import pytest

from panoptic_perception.runtime.counters import Counters, CounterSnapshot, Outcome


def test_snapshot__empty():
    assert Counters().snapshot() == CounterSnapshot()


@pytest.mark.parametrize('outcome', list(Outcome))
def test_frame_finished__moves_one_frame_to_its_account(outcome):
    counters = Counters()
    counters.frame_received()
    assert counters.snapshot() == CounterSnapshot(received=1, in_flight=1)
    counters.frame_finished(outcome, reason='corrupt')
    reasons = {'corrupt': 1} if outcome is Outcome.INVALID else {}
    expected = CounterSnapshot(received=1, invalid_reasons=reasons, **{outcome.value: 1})
    assert counters.snapshot() == expected


def test_snapshot__is_not_touched_by_later_frames():
    counters = Counters()
    before = counters.snapshot()
    counters.frame_received()
    counters.frame_finished(Outcome.INVALID, reason='corrupt')
    assert before == CounterSnapshot()


def test_reset__keeps_frames_in_flight():
    counters = Counters()
    for _ in range(3):
        counters.frame_received()
    counters.frame_finished(Outcome.RESULT)
    counters.frame_finished(Outcome.INVALID, reason='corrupt')
    counters.reset()
    assert counters.snapshot() == CounterSnapshot(received=1, in_flight=1)
    counters.frame_finished(Outcome.FAILED)
    assert counters.snapshot() == CounterSnapshot(received=1, failed=1)


def test_wait_until_idle():
    counters = Counters()
    assert counters.wait_until_idle(0)
    counters.frame_received()
    assert not counters.wait_until_idle(0.01)
    timer = threading.Timer(0.01, counters.frame_finished, [Outcome.RESULT])
    timer.start()
    assert counters.wait_until_idle(10)
