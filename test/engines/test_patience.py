# SPDX-License-Identifier: Apache-2.0
import logging
import threading
import time

import pytest

from panoptic_perception.engines.patience import patience


@pytest.fixture(autouse=True)
def logger(caplog, monkeypatch):
    """Have the log as a program finds it, whatever libraries have done to it in this process."""
    caplog.set_level(logging.WARNING, logger=patience.__module__)
    monkeypatch.setattr(logging.getLogger(patience.__module__), 'disabled', False)


def _threads():
    return {thread.name for thread in threading.enumerate()}


def test_patience__tells_until_the_end(caplog):
    with patience('the build', interval_s=0.02):
        deadline = time.monotonic() + 5
        while len(caplog.messages) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    first, second, *_ = told = list(caplog.messages)
    assert first == 'the build: this takes minutes, once'
    assert second == 'the build: 0 s so far'
    time.sleep(0.06)
    assert caplog.messages == told
    assert 'patience' not in _threads()


def test_patience__ends_with_what_it_waits_for(caplog):
    with pytest.raises(ValueError, match='broken'), patience('the build', interval_s=60):
        raise ValueError('broken')
    assert 'patience' not in _threads()
    assert len(caplog.messages) == 1
