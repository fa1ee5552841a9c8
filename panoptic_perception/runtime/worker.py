# SPDX-License-Identifier: Apache-2.0
"""The one thread that works on frames, and the bookkeeping of what became of each."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from panoptic_perception.core.codec import ImageError
from panoptic_perception.runtime.counters import Counters, Outcome
from panoptic_perception.runtime.mailbox import Mailbox

Frame = TypeVar('Frame')


class StaleFrameError(Exception):
    """A frame that is too old to be worked on."""


class Worker(Generic[Frame]):
    """
    Work on the newest submitted frame, one at a time, in a thread of its own.

    `work(frame)` returns the step that publishes its result. That step runs only if no
    `discard` came in between, so nothing of an old activation or an old clock gets out.
    `on_problem(outcome, error)` hears of every frame whose work raised; neither that nor an
    error of its own ends the thread.
    """

    def __init__(
        self,
        work: Callable[[Frame], Callable[[], None]],
        counters: Counters,
        *,
        on_problem: Callable[[Outcome, Exception], None],
    ) -> None:
        self._work = work
        self._counters = counters
        self._on_problem = on_problem
        self._mailbox: Mailbox[tuple[int, Frame]] = Mailbox()
        self._generation = 0
        self._publishing = threading.Lock()
        self._account = threading.Lock()
        self._in_work = False
        # A daemon: an engine call that hangs must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name='worker', daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, frame: Frame) -> None:
        """Hand over a frame without waiting; it displaces one that still waits."""
        self._counters.frame_received()
        job = (self._generation, frame)
        displaced = self._mailbox.put(job)
        if displaced is job:
            self._counters.frame_finished(Outcome.DROPPED_STALE)
        elif displaced is not None:
            self._counters.frame_finished(Outcome.DROPPED_NEWER)

    def discard(self) -> None:
        """Drop the waiting frame and, unpublished, the result of the one in work."""
        with self._publishing:
            self._generation += 1
        if self._mailbox.clear() is not None:
            self._counters.frame_finished(Outcome.DROPPED_STALE)

    def stop(self, timeout_s: float = 2.0) -> bool:
        """End the thread after the frame in work; return False if it still runs then.

        Its frame has failed then, whatever becomes of it.
        """
        with self._publishing:
            self._generation += 1
        if self._mailbox.close() is not None:
            self._counters.frame_finished(Outcome.DROPPED_STALE)
        self._thread.join(timeout_s)
        self._close_account(Outcome.FAILED)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._mailbox.take()) is not None:
            self._in_work = True
            self._handle(*job)

    def _handle(self, generation: int, frame: Frame) -> None:
        try:
            publish = self._work(frame)
            with self._publishing:
                wanted = generation == self._generation
                if wanted:
                    publish()
        except StaleFrameError as error:
            self._finish(Outcome.DROPPED_STALE, error)
        except ImageError as error:
            self._finish(Outcome.INVALID, error, reason=error.reason)
        except Exception as error:  # one frame must never end the thread
            self._finish(Outcome.FAILED, error)
        else:
            self._close_account(Outcome.RESULT if wanted else Outcome.DROPPED_STALE)

    def _finish(self, outcome: Outcome, error: Exception, *, reason: str = '') -> None:
        with contextlib.suppress(Exception):
            self._on_problem(outcome, error)
        self._close_account(outcome, reason=reason)

    def _close_account(self, outcome: Outcome, *, reason: str = '') -> None:
        """Close the account of the frame in work, unless that was done before."""
        with self._account:
            if self._in_work:
                self._in_work = False
                self._counters.frame_finished(outcome, reason=reason)
