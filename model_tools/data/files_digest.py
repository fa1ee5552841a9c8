# SPDX-License-Identifier: Apache-2.0
"""Tell cheaply whether the files of a data set are still what they were."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

CACHE_RECORD = 'cache.json'
"""A folder with such a file is made of data, and is none."""
_NAMED_LIKE_SAMPLES = ('.jpg', '.jpeg', '.png')
_HOLDING_MANY = ('.json', '.tar')


def files_digest(root: Path, names: Sequence[str]) -> str:
    """
    Return a digest of the paths, sizes and times of the files that samples may come from.

    These are the files named like a sample, and all lists and tars. Other files come and go, for
    instance the pictures of a run whose folder is beside the images.
    """
    stems = {name.rpartition('/')[2] for name in names}
    stamps = []
    for path in [root] if root.is_file() else _files(root):
        stem, _, suffix = path.name.rpartition('.')
        kind = f'.{suffix.lower()}'
        if kind in _HOLDING_MANY or (kind in _NAMED_LIKE_SAMPLES and stem in stems):
            with suppress(OSError):  # a link to nowhere; whoever reads it will say so
                stat = path.stat()
                stamps.append(f'{path.relative_to(root)} {stat.st_size} {stat.st_mtime_ns}')
    return hashlib.sha256(os.fsencode('\n'.join(sorted(stamps)))).hexdigest()


def _files(root: Path) -> Iterator[Path]:
    """Yield all files below a folder, except hidden ones and those of caches."""
    seen = set()
    for parent, folders, names in os.walk(root, followlinks=True):
        place = os.path.realpath(parent)
        if place in seen or CACHE_RECORD in names:
            folders.clear()
            continue
        seen.add(place)
        folders[:] = [name for name in folders if not name.startswith('.')]
        yield from (Path(parent, name) for name in names if not name.startswith('.'))
