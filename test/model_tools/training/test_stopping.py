# SPDX-License-Identifier: Apache-2.0
import os
import signal

import pytest

from model_tools.training.stopping import SIGNALS, Stop


def test_stop__after_its_minutes():
    times = iter([0.0, 119.9, 120.0])
    stop = Stop(2, clock=lambda: next(times))
    assert not stop.due()
    assert stop.due()


@pytest.mark.parametrize('minutes', [-1, float('nan')])
def test_stop__no_time(minutes):
    with pytest.raises(ValueError, match='expected a number of at least 0'):
        Stop(minutes)


def test_stop__never_by_itself():
    assert not Stop().due()


@pytest.mark.parametrize('number', SIGNALS)
def test_stop__catches_one_signal(number):
    before = signal.getsignal(number)
    with Stop() as stop:
        assert not stop.due()
        os.kill(os.getpid(), number)
        assert stop.due()
        assert stop.signal == number
        assert signal.getsignal(number) is before, 'the second one must kill'
    assert signal.getsignal(number) is before
