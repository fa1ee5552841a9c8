# SPDX-License-Identifier: Apache-2.0
"""Processes that read images beside this one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import cv2


def start_workers(count: int, start: Callable[..., None], *given: object) -> ProcessPoolExecutor:
    """Return a pool whose processes first call `start`, a function of a module."""
    # A fork of this process would copy the locks of OpenCV's threads, held for ever where those
    # threads are not.
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([start.__module__])
    return ProcessPoolExecutor(count, context, partial(_begin, start, *given))


def _begin(start: Callable[..., None], *given: object) -> None:
    cv2.setNumThreads(1)
    # Ctrl-C reaches all processes; the parent ends them between images.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    start(*given)


def _end_with_parent() -> None:
    """End this worker when its parent is killed: it would go on beside a run that resumes."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
