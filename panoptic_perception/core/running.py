# SPDX-License-Identifier: Apache-2.0
"""Run a command so that however it ends is told by a code and at most one sentence."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from panoptic_perception.core.errors import StatedError

INTERRUPTED = 130


def run_command(
    name: str, command: Callable[[], int], *, cure: str, stated: type[Exception] = StatedError
) -> int:
    """
    Return the exit code of a command: its own, 2 after an error, 130 after Ctrl-C.

    Args:
        name: What the sentences begin with.
        command: Returns its exit code.
        cure: What to do where a library is missing.
        stated: Errors, beside those of the system, whose text is such a sentence.

    """
    # A plain `kill` shall clean up as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return command()
    except KeyboardInterrupt:
        print(f'{name}: interrupted', file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone, as with `| head`; nothing may be flushed to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ImportError as error:
        missing = error.name or 'a library'
        return fail(name, f'{missing} cannot be imported ({error}): {cure}')
    except (StatedError, stated) as error:
        return fail(name, str(error))
    except OSError as error:
        is_plain = error.filename and error.strerror
        return fail(name, f'{error.filename}: {error.strerror}' if is_plain else str(error))


def fail(name: str, sentence: str) -> int:
    """Print the sentence of an error; return the exit code."""
    print(f'{name}: error: {sentence}', file=sys.stderr)
    return 2
