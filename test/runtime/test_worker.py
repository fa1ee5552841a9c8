# SPDX-License-Identifier: Apache-2.0
import threading
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panoptic_perception.core.codec import ImageError
from panoptic_perception.runtime.counters import Counters, CounterSnapshot, Outcome
from panoptic_perception.runtime.worker import StaleFrameError, Worker


class Bench:
    """A worker whose frames say themselves how they end, and what came out of it."""

    def __init__(self):
        self.counters = Counters()
        self.published = []
        self.problems = []
        self.started = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.worker = Worker(
            self._work, self.counters, on_problem=lambda *problem: self.problems.append(problem)
        )
        self.worker.start()

    def _work(self, frame):
        self.started.set()
        assert self.gate.wait(10)
        if isinstance(frame, Exception):
            raise frame
        return lambda: self.published.append(frame)

    def submit_and_wait(self, frame):
        self.worker.submit(frame)
        assert self.counters.wait_until_idle(10)

    def hold(self, frame):
        """Submit a frame and return once the worker is in it."""
        self.gate.clear()
        self.started.clear()
        self.worker.submit(frame)
        assert self.started.wait(10)

    def let_go(self):
        self.gate.set()
        assert self.counters.wait_until_idle(10)


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.gate.set()
    assert bench.worker.stop(10)


@pytest.mark.parametrize(
    ('error', 'outcome', 'reasons'),
    [
        (ImageError('corrupt', 'no image'), Outcome.INVALID, {'corrupt': 1}),
        (StaleFrameError('old'), Outcome.DROPPED_STALE, {}),
        (RuntimeError('engine'), Outcome.FAILED, {}),
        (MemoryError(), Outcome.FAILED, {}),
        (AssertionError(), Outcome.FAILED, {}),
    ],
)
def test_work_that_raises__is_counted_and_the_next_frame_answered(bench, error, outcome, reasons):
    bench.submit_and_wait(error)
    bench.submit_and_wait('good')
    assert bench.published == ['good']
    assert bench.problems == [(outcome, error)]
    assert bench.counters.snapshot() == CounterSnapshot(
        received=2, results=1, invalid_reasons=reasons, **{outcome.value: 1}
    )


def test_publish_that_raises__is_a_failure():
    counters = Counters()

    def work(frame):
        return lambda: 1 / frame

    worker = Worker(work, counters, on_problem=lambda *_: None)
    worker.start()
    worker.submit(0)
    assert counters.wait_until_idle(10)
    assert counters.snapshot() == CounterSnapshot(received=1, failed=1)
    assert worker.stop(10)


def test_submit__newest_waiting_frame_wins(bench):
    bench.hold('first')
    for frame in ('second', 'third', 'fourth'):
        bench.worker.submit(frame)
    assert bench.counters.snapshot() == CounterSnapshot(received=4, dropped_newer=2, in_flight=2)
    bench.let_go()
    assert bench.published == ['first', 'fourth']


def test_discard__publishes_neither_the_waiting_frame_nor_the_one_in_work(bench):
    bench.hold('in work')
    bench.worker.submit('waiting')
    bench.worker.discard()
    bench.worker.submit('new')
    bench.let_go()
    assert bench.published == ['new']
    assert bench.problems == []
    assert bench.counters.snapshot() == CounterSnapshot(received=3, results=1, dropped_stale=2)


def test_stop__ends_the_thread_and_refuses_frames(bench):
    bench.hold('in work')
    bench.worker.submit('waiting')
    threading.Timer(0.05, bench.gate.set).start()
    assert bench.worker.stop(10)
    bench.worker.submit('late')
    assert bench.published == []
    assert bench.counters.snapshot() == CounterSnapshot(received=3, dropped_stale=3)


def test_stop__returns_in_time_when_the_work_hangs(bench):
    bench.hold('hangs')
    start = time.monotonic()
    assert not bench.worker.stop(0.1)
    assert time.monotonic() - start < 2


def test_stop__a_frame_that_hangs_has_failed_and_is_counted_once(bench):
    bench.hold('hangs')
    assert not bench.worker.stop(0.01)
    assert bench.counters.snapshot() == CounterSnapshot(received=1, failed=1)
    bench.gate.set()
    assert bench.worker.stop(10)
    assert bench.counters.snapshot() == CounterSnapshot(received=1, failed=1)
    assert bench.published == []


def test_problem_that_cannot_be_told__ends_nothing():
    counters, published = Counters(), []

    def work(frame):
        if frame == 'bad':
            raise ValueError(frame)
        return lambda: published.append(frame)

    def tell(outcome, error):
        raise UnicodeEncodeError('ascii', 'x', 0, 1, 'no log')

    worker = Worker(work, counters, on_problem=tell)
    worker.start()
    for frame in ('bad', 'good'):
        worker.submit(frame)
        assert counters.wait_until_idle(10)
    assert published == ['good']
    assert counters.snapshot() == CounterSnapshot(received=2, results=1, failed=1)
    assert worker.stop(10)


FRAMES = st.sampled_from(
    ['result', 'slow', ImageError('corrupt', ''), StaleFrameError(''), ValueError('')]
)
STEPS = st.lists(st.one_of(FRAMES, st.sampled_from(['discard', 'pause', 'reset'])), max_size=60)


@settings(max_examples=40)
@given(plans=st.lists(STEPS, min_size=1, max_size=3))
def test_identity__holds_in_every_snapshot_of_every_interleaving(plans):
    counters, published, snapshots = Counters(), [], []
    resets = any('reset' in plan for plan in plans)

    def work(frame):
        if isinstance(frame, Exception):
            raise frame
        if frame == 'slow':
            time.sleep(0.001)
        return lambda: published.append(frame)

    worker = Worker(work, counters, on_problem=lambda *_: None)
    worker.start()

    def carry_out(plan):
        for step in plan:
            if step == 'discard':
                worker.discard()
            elif step == 'pause':
                time.sleep(0.0005)
            elif step == 'reset':
                counters.reset()
            else:
                worker.submit(step)
            snapshots.append(counters.snapshot())

    threads = [threading.Thread(target=carry_out, args=[plan]) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert counters.wait_until_idle(10)
    assert worker.stop(10)
    final = counters.snapshot()
    for s in (*snapshots, final):
        ended = s.results + s.dropped_newer + s.dropped_stale + s.invalid + s.failed
        assert s.received == ended + s.in_flight
        assert s.in_flight >= 0
        assert s.invalid == sum(s.invalid_reasons.values())
    assert final.in_flight == 0
    if not resets:
        steps = Counter(str(step) for plan in plans for step in plan)
        assert final.received == sum(steps.values()) - steps['discard'] - steps['pause']
        assert final.results == len(published)
