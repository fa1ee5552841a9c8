# SPDX-License-Identifier: Apache-2.0
"""A mailbox of one slot between the camera's thread and the worker: the newest wins."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar('T')


class Mailbox(Generic[T]):
    """Hold at most one item; putting never blocks."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._closed = False

    def put(self, item: T) -> T | None:
        """Store the item and return the one that it displaced; a closed box returns `item`."""
        with self._changed:
            if self._closed:
                return item
            displaced, self._item = self._item, item
            self._changed.notify()
            return displaced

    def take(self) -> T | None:
        """Wait for an item and return it, or None as soon as the box is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed)
            item, self._item = self._item, None
            return item

    def clear(self) -> T | None:
        """Empty the box and return what was in it."""
        with self._changed:
            item, self._item = self._item, None
            return item

    def close(self) -> T | None:
        """Refuse items from now on, end every `take` and return what was in the box."""
        with self._changed:
            item, self._item = self._item, None
            self._closed = True
            self._changed.notify_all()
            return item
