# SPDX-License-Identifier: Apache-2.0
"""When a batch does not fit into memory: find one that does."""

from __future__ import annotations

from collections.abc import Callable

import torch


class BatchTooLargeError(ValueError):
    """A batch does not fit into the memory of the training device."""


def largest_fitting(attempt: Callable[[int], None], size: int) -> int:
    """Return the largest of size / 2, size / 4, ... that `attempt` survives; 0 if none is."""
    while size := size // 2:
        try:
            attempt(size)
        except torch.OutOfMemoryError:
            continue
        finally:
            # What the failed attempt held is free now, but in pieces.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return size
    return 0
