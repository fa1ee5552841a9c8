# SPDX-License-Identifier: Apache-2.0
"""Tell that something which takes minutes is still under way."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

INTERVAL_S = 10.0


@contextmanager
def patience(what: str, *, interval_s: float = INTERVAL_S) -> Iterator[None]:
    """Log a warning at once, and the seconds that have passed every `interval_s` until the end."""
    logger, start, ended = logging.getLogger(__name__), time.monotonic(), threading.Event()

    def tell() -> None:
        while not ended.wait(interval_s):
            logger.warning('%s: %.0f s so far', what, time.monotonic() - start)

    logger.warning('%s: this takes minutes, once', what)
    thread = threading.Thread(target=tell, name='patience', daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
