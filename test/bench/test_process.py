# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import replace
from operator import attrgetter

import pytest

from panoptic_perception.bench.process import ProcessError, SubjectProcess
from panoptic_perception.bench.subject import measure_frame


@pytest.fixture
def process(tiny_case, jpeg):
    process = SubjectProcess(tiny_case, jpeg)
    yield process
    process.close()


def test_ask__jobs_run_in_the_other_process_and_it_ends(process):
    child = multiprocessing.active_children()[-1]
    assert process.info.provider == 'CPUExecutionProvider'
    assert 0.05 < process.first_result_s < 60
    assert process.ask(measure_frame).frame_ms > 0
    assert process.ask(attrgetter('engine.info')) == process.info
    process.close()
    process.close()
    assert not child.is_alive()
    assert child.exitcode == 0


def test_ask__a_job_that_fails(process):
    with pytest.raises(ProcessError, match=r"AttributeError: .*'nothing'"):
        process.ask(attrgetter('nothing'))
    with pytest.raises(ProcessError, match='its process died'):
        process.ask(measure_frame)


def test_ask__a_process_that_crashed(process):
    os.kill(multiprocessing.active_children()[-1].pid, signal.SIGKILL)
    with pytest.raises(ProcessError, match='its process died: SIGKILL'):
        process.ask(measure_frame)


def test_init__an_engine_that_cannot_be_had(tiny_case, jpeg):
    with pytest.raises(ProcessError, match='bf16'):
        SubjectProcess(replace(tiny_case, precision='bf16'), jpeg)
    assert multiprocessing.active_children() == []
