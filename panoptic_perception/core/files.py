# SPDX-License-Identifier: Apache-2.0
"""Write files that are there whole or not at all, whenever the process ends."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place only if the block succeeds."""
    # The suffix stays: OpenCV chooses the container of a video by it.
    part = path.with_name(f'.{path.stem}.part{path.suffix}')
    try:
        yield part
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


@contextlib.contextmanager
def durable(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that outlives a loss of power once it is closed."""
    with path.open('wb') as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file at once; an OSError says which."""
    try:
        with whole_file(path) as part:
            part.write_bytes(content)
    except OSError as error:
        raise OSError(f"'{path}': cannot be written: {error.strerror}") from error


def write_json(path: Path, values: object) -> None:
    """Write plain values, a line each."""
    write_whole(path, (json.dumps(values, indent=1) + '\n').encode())
