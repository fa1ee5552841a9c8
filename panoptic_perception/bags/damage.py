# SPDX-License-Identifier: Apache-2.0
"""Read an MCAP file that was cut off, as after a crash or on a full disk."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import BinaryIO

_MAGIC = b'\x89MCAP0\r\n'
_RECORD_HEAD = struct.Struct('<BQ')
_FOOTER, _DATA_END = 0x02, 0x0F
# A footer that points to no summary makes a reader scan the data section instead.
_EMPTY_FOOTER = _RECORD_HEAD.pack(_FOOTER, 20) + bytes(20) + _MAGIC


def end_of_data(path: Path) -> int:
    """Return the offset behind the last whole data record of an MCAP file."""
    size = path.stat().st_size
    with path.open('rb') as file:
        position = len(_MAGIC)
        while position + _RECORD_HEAD.size <= size:
            file.seek(position)
            opcode, length = _RECORD_HEAD.unpack(file.read(_RECORD_HEAD.size))
            following = position + _RECORD_HEAD.size + length
            if opcode in (0, _FOOTER, _DATA_END) or following > size:
                break
            position = following
    return position


class WholeRecords:
    """
    Show the whole records of a damaged MCAP file as a complete file.

    It follows the path protocol of rosbags, so no repaired copy is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.suffix = path.suffix
        self.end = end_of_data(path)

    def exists(self) -> bool:
        return True

    def is_dir(self) -> bool:
        return False

    def open(self, _mode: str = 'rb') -> BinaryIO:
        return io.BufferedReader(_CutFile(self._path, self.end), buffer_size=1 << 16)

    def __str__(self) -> str:
        return str(self._path)


class _CutFile(io.RawIOBase):
    """The first `end` bytes of a file, followed by an MCAP footer."""

    def __init__(self, path: Path, end: int) -> None:
        super().__init__()
        self._file = path.open('rb')
        self._end = end
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = (0, self._position, self._end + len(_EMPTY_FOOTER))[whence]
        self._position = origin + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def, override]
        if self._position < self._end:
            self._file.seek(self._position)
            data = self._file.read(min(len(buffer), self._end - self._position))
        else:
            start = self._position - self._end
            data = _EMPTY_FOOTER[start : start + len(buffer)]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
