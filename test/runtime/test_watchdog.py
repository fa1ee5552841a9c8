# SPDX-License-Identifier: Apache-2.0
import pytest

from panoptic_perception.runtime.counters import CounterSnapshot
from panoptic_perception.runtime.watchdog import Change, InputWatchdog, ResultWatchdog


@pytest.mark.parametrize(
    ('frames_s', 'now_s', 'silence_s', 'silent'),
    [
        ([], 10.0, 0.0, False),
        ([], 14.9, 4.9, False),
        ([], 15.0, 5.0, True),
        ([14.0], 15.0, 1.0, False),
        ([14.0, 15.0], 21.0, 6.0, True),
    ],
)
def test_is_silent(frames_s, now_s, silence_s, silent):
    watchdog = InputWatchdog(10.0)
    for frame_s in frames_s:
        watchdog.frame(frame_s)
    assert watchdog.silence_s(now_s) == pytest.approx(silence_s)
    assert watchdog.is_silent(now_s, timeout_s=5.0) is silent


NOTHING, SILENT, BACK = Change.NOTHING, Change.SILENT, Change.BACK


@pytest.mark.parametrize(
    ('steps', 'changes'),
    [
        (['', 'a', 'a', 'b', None, ''], [NOTHING, SILENT, NOTHING, SILENT, BACK]),
        ([None, '', 'a', None, '', '', 'a'], [NOTHING, SILENT, BACK, NOTHING, SILENT]),
        # No longer looked for, as after a deactivation or with a longer timeout: not back.
        (['a', '', '', None, ''], [SILENT, NOTHING, NOTHING, BACK]),
        ([None, 'a', '', 'a', None, ''], [SILENT, NOTHING, NOTHING, BACK]),
    ],
)
def test_report__each_diagnosis_is_news_once(steps, changes):
    """None is a frame."""
    watchdog, found = InputWatchdog(0.0), []
    for step in steps:
        if step is None:
            watchdog.frame(1.0)
        else:
            found.append(watchdog.report(step))
    assert found == changes


def test_has_frame():
    watchdog = InputWatchdog(0.0)
    assert not watchdog.has_frame
    watchdog.frame(1.0)
    assert watchdog.has_frame


def accounts(received, results, **others):
    return CounterSnapshot(received=received, results=results, **others)


@pytest.mark.parametrize(
    ('looks', 'barren_s'),
    [
        ([], 0.0),
        ([(accounts(30, 30), 1.0), (accounts(60, 60), 2.0)], 0.0),
        ([(accounts(30, 0), 1.0)], 1.0),
        ([(accounts(30, 30), 1.0), (accounts(60, 30), 2.0), (accounts(90, 30), 3.0)], 2.0),
        # A slow camera is waited on, a silent one is not.
        ([(accounts(1, 1), 1.0), (accounts(2, 1), 4.0), (accounts(2, 1), 8.0)], 7.0),
        ([(accounts(1, 1), 1.0), (accounts(2, 1), 4.0), (accounts(2, 1), 9.0)], 0.0),
        # Begun anew.
        ([(accounts(90, 90), 1.0), (accounts(30, 0), 2.0)], 0.0),
    ],
)
def test_barren(looks, barren_s):
    watchdog, found = ResultWatchdog(0.0), 0.0
    for counters, now_s in looks:
        found, _ = watchdog.barren(counters, now_s)
    assert found == barren_s


def test_barren__since_when():
    watchdog = ResultWatchdog(0.0)
    begin = accounts(8, 7, failed=1)
    watchdog.barren(begin, 1.0)
    assert watchdog.barren(accounts(9, 7, failed=2), 2.0) == (1.0, begin)
