# SPDX-License-Identifier: Apache-2.0
"""When memory runs out: say so in a sentence, and find a batch that fits."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator

import torch

CPU_WORDS = re.compile(
    r"DefaultCPUAllocator: can't allocate memory|std::bad_alloc|could not create a primitive$",
    re.MULTILINE,
)
"""What torch and its oneDNN say where the memory of the machine is used up.

They have no error of their own for it. What oneDNN cannot do it words otherwise.
"""


class BatchTooLargeError(ValueError):
    """A batch does not fit into the memory of the training device."""


class MemoryUsedUpError(ValueError):
    """What a run needs beside its batches does not fit into the memory of the training device."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that a device, or this machine, has no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and bool(CPU_WORDS.search(str(error)))


@contextlib.contextmanager
def enough_memory(device: torch.device) -> Iterator[None]:
    """Say in a sentence that memory ran out beside the batches: MemoryUsedUpError."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryUsedUpError(
            f'the memory of {device} does not hold what the run needs beside its batches: end '
            'what else uses it, or take a smaller network, input_wh or batch_size'
        ) from error


def largest_fitting(attempt: Callable[[int], None], size: int) -> int:
    """Return the largest of size / 2, size / 4, ... that `attempt` survives; 0 if none is."""
    while size := size // 2:
        try:
            attempt(size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            continue
        finally:
            # What the failed attempt held is free now, but in pieces.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return size
    return 0
