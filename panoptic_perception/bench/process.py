# SPDX-License-Identifier: Apache-2.0
"""Keep a subject warm in a process of its own and have it do jobs: both ends of the pipe."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any, TypeVar

from panoptic_perception.bench.case import Case
from panoptic_perception.bench.subject import Subject, measure_frame
from panoptic_perception.core.errors import StatedError
from panoptic_perception.core.results import EngineInfo

T = TypeVar('T')

_PATIENCE_S = 5.0


class ProcessError(StatedError):
    """Why a process of the benchmark cannot measure, or no longer can."""


class SubjectProcess:
    """
    A process that holds one subject.

    `info` is what really runs; `first_result_s` are the seconds from the start of the process to
    its first result: interpreter, imports, model and first frame.

    Raises:
        ProcessError: The engine cannot be had here, or the process died.
    """

    info: EngineInfo
    first_result_s: float

    def __init__(self, case: Case, jpeg: bytes) -> None:
        # A fork would share what this process has loaded, and hide its cost.
        context = multiprocessing.get_context('spawn')
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, case, jpeg, monotonic()), daemon=True
        )
        # Ctrl-C is for this process alone, which ends the others; they inherit the mask.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        self.info, self.first_result_s = self._answer()

    def ask(self, job: Callable[[Subject], T]) -> T:
        """Have a job done; `job` is sent by its name, so it must be a function of a module."""
        # Where the process is gone, the missing answer says how it ended.
        with suppress(OSError):
            self._connection.send(job)
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join(_PATIENCE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _answer(self) -> Any:
        try:
            answer = self._connection.recv()
        except (EOFError, OSError):
            self.close()
            raise ProcessError(f'its process died: {_ending(self._process.exitcode)}') from None
        if isinstance(answer, ProcessError):
            self.close()
            raise answer
        return answer


def _serve(connection: Connection, case: Case, jpeg: bytes, started_s: float) -> None:
    """Load the subject and do jobs until the other end closes."""
    try:
        subject = Subject(case, jpeg)
        measure_frame(subject)
        connection.send((subject.engine.info, monotonic() - started_s))
        while True:
            connection.send(connection.recv()(subject))
    except (EOFError, ConnectionError):
        return  # nobody asks any more
    except StatedError as error:
        connection.send(ProcessError(str(error)))
    except Exception as error:  # one row that fails must not end the others
        connection.send(ProcessError(f'{type(error).__name__}: {error}'))


def _ending(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return signal.Signals(-exitcode).name
    return f'exit code {exitcode}'
