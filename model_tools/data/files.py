# SPDX-License-Identifier: Apache-2.0
"""The files of a data set, from a folder or from tar shards that are read in place."""

from __future__ import annotations

import os
import posixpath
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from model_tools.data.problems import DatasetError
from panoptic_perception.core.files import write_whole


class Files(Protocol):
    """A tree of files, addressed by '/'-separated paths; picklable, safe in many processes."""

    root: Path
    damage: Sequence[DatasetError]
    """What opening found to be broken; the rest is there."""

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders right below a folder ('' is the root), sorted."""

    def paths(self, folder: str, suffixes: tuple[str, ...]) -> list[str]:
        """Return the paths of all files below a folder by lower-case suffix, sorted.

        Hidden files are no data: some systems leave `._NAME.jpg` beside `NAME.jpg`.
        """

    def exists(self, path: str) -> bool:
        """Return whether there is a file of this path."""

    def read(self, path: str, *, offset: int = 0, size: int | None = None) -> bytes:
        """Return a file's content, or a part of it; DatasetError if it cannot be read whole."""

    def place(self, path: str, target: Path) -> None:
        """Give a file a second place: a hard link, or a copy where there can be none."""

    def where(self, path: str) -> str:
        """Return what to call a file in a message."""


def open_files(root: Path) -> Files:
    """Open a folder, a folder that holds nothing but tar shards and notes, or a single tar."""
    if root.is_file() and root.suffix == '.tar':
        return TarFiles(root, [root])
    if not root.is_dir():
        raise DatasetError(f"'{root}': expected a folder or a .tar file, found neither")
    children = sorted(root.iterdir())
    shards = [path for path in children if path.suffix == '.tar' and path.is_file()]
    if shards and not any(path.is_dir() for path in children):
        return TarFiles(root, shards)
    return FolderFiles(root)


class FolderFiles:
    """An unpacked tree."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.damage: Sequence[DatasetError] = ()

    def folders(self, folder: str) -> list[str]:
        path = self.root / folder
        return sorted(p.name for p in path.iterdir() if p.is_dir()) if path.is_dir() else []

    def paths(self, folder: str, suffixes: tuple[str, ...]) -> list[str]:
        return sorted(
            posixpath.join(Path(parent).relative_to(self.root).as_posix(), name).removeprefix('./')
            for parent, _, names in os.walk(self.root / folder)
            for name in names
            if name.lower().endswith(suffixes) and not name.startswith('.')
        )

    def exists(self, path: str) -> bool:
        return (self.root / path).is_file()

    def read(self, path: str, *, offset: int = 0, size: int | None = None) -> bytes:
        try:
            with open(self.root / path, 'rb') as file:
                file.seek(offset)
                return file.read(-1 if size is None else size)
        except OSError as error:
            raise _unreadable(self.where(path), error) from error

    def place(self, path: str, target: Path) -> None:
        try:
            # Resolved, as a link to a symbolic link would point elsewhere from its new place.
            os.link((self.root / path).resolve(), target)
        except OSError:
            write_whole(target, self.read(path))

    def where(self, path: str) -> str:
        return str(self.root / path)


@dataclass(frozen=True)
class _Member:
    """Where a file's bytes lie."""

    shard: int
    offset: int
    size: int


class TarFiles:
    """
    The common tree of some tars, which are not unpacked.

    Of a tar that was cut short, what is whole is there.
    """

    def __init__(self, root: Path, shards: Sequence[Path]) -> None:
        self.root = root
        self._shards = list(shards)
        self._members: dict[str, _Member] = {}
        damage = []
        for number, shard in enumerate(shards):
            try:
                for info in _file_members(shard):
                    path = posixpath.normpath(info.name).lstrip('/')
                    self._members[path] = _Member(number, info.offset_data, info.size)
            except (tarfile.TarError, OSError) as error:
                damage.append(
                    DatasetError(
                        f"'{shard}': expected a whole, uncompressed tar, found it damaged or cut "
                        f'short ({error}); what comes before is read',
                        kind='damaged_tar',
                    )
                )
        self.damage: Sequence[DatasetError] = tuple(damage)

    def folders(self, folder: str) -> list[str]:
        start = f'{folder}/' if folder else ''
        below = (path[len(start) :] for path in self._members if path.startswith(start))
        return sorted({path.split('/', 1)[0] for path in below if '/' in path})

    def paths(self, folder: str, suffixes: tuple[str, ...]) -> list[str]:
        start = f'{folder}/' if folder else ''
        return sorted(
            path
            for path in self._members
            if path.startswith(start) and path.lower().endswith(suffixes)
        )

    def exists(self, path: str) -> bool:
        return path in self._members

    def read(self, path: str, *, offset: int = 0, size: int | None = None) -> bytes:
        member = self._members.get(path)
        if member is None:
            raise DatasetError(f"'{self.where(path)}': no such file", kind='unreadable')
        left = max(0, member.size - offset)
        wanted = left if size is None else min(size, left)
        try:
            # Opened anew each time: an open descriptor could not cross into other processes.
            with open(self._shards[member.shard], 'rb') as file:
                file.seek(member.offset + offset)
                content = file.read(wanted)
        except OSError as error:
            raise _unreadable(self.where(path), error) from error
        if len(content) < wanted:
            raise DatasetError(
                f"'{self.where(path)}': expected {wanted} bytes, found {len(content)}: "
                'the tar is cut short; copy it again',
                kind='cut_short',
            )
        return content

    def place(self, path: str, target: Path) -> None:
        write_whole(target, self.read(path))

    def where(self, path: str) -> str:
        member = self._members.get(path)
        return f'{self.root if member is None else self._shards[member.shard]}:{path}'


def _unreadable(where: str, error: OSError) -> DatasetError:
    return DatasetError(f"'{where}': cannot be read: {error.strerror}", kind='unreadable')


def _file_members(shard: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the files of a tar; TarError where it breaks off."""
    end = 0
    with tarfile.open(shard, 'r:') as tar:
        for info in tar:
            end = info.offset_data + -(-info.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            if info.isfile() and not posixpath.basename(info.name).startswith('.'):
                yield info
    # tarfile takes the end of the file for the end of the archive, which is a block of zeros.
    if shard.stat().st_size < end + tarfile.BLOCKSIZE:
        raise tarfile.ReadError('no end-of-archive block')
