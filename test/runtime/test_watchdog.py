# SPDX-License-Identifier: Apache-2.0
import pytest

from panoptic_perception.runtime.watchdog import Change, InputWatchdog


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


def test_report__each_diagnosis_is_news_once():
    watchdog = InputWatchdog(0.0)
    reports = [watchdog.report(text) for text in ('', 'a', 'a', 'b', '', '', 'b')]
    nothing, silent, back = Change.NOTHING, Change.SILENT, Change.BACK
    assert reports == [nothing, silent, nothing, silent, back, nothing, silent]
