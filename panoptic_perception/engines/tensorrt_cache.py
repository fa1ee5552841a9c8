# SPDX-License-Identifier: Apache-2.0
"""Keep on disk what TensorRT builds for minutes: whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from panoptic_perception.engines.engine import EngineError
from panoptic_perception.engines.model_file import ModelInfo

T = TypeVar('T')

PACKAGES = (
    'tensorrt',
    'tensorrt-cu12',
    'tensorrt-cu13',
    'tensorrt-cu12-libs',
    'tensorrt-cu13-libs',
)
"""Distributions that have brought TensorRT here, if it is no package of the system."""

ABANDONED_S = 24 * 3600
"""How old the folder of a build is that was killed: none takes so long."""


def tensorrt_version() -> str:
    """Return the version of the installed TensorRT, '' if Python knows of none."""
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            return version(name)
    return ''


def cache_folder(
    model: ModelInfo, *, precision: str, gpu: str, onnxruntime: str, tensorrt: str
) -> Path:
    """Return the folder for a model file, precision, GPU and the versions of the libraries."""
    root = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    parts = [model.sha256[:16], precision, gpu, f'onnxruntime-{onnxruntime}']
    parts += [f'tensorrt-{tensorrt}'] * bool(tensorrt)
    return root / 'panoptic_perception' / 'tensorrt' / re.sub(r'[^\w.-]+', '-', '-'.join(parts))


def open_cached(folder: Path, build: Callable[[Path | None], T]) -> tuple[T, bool, str]:
    """
    Return what `build(folder)` makes, whether it is kept, and a note, '' if the cache served.

    `build` reads the files it finds in the folder and writes those it misses; None means to keep
    none. A new folder is filled beside its place and moved there when it is whole; one that is of
    no use goes only then, for the fault may lie elsewhere, as in a GPU without free memory.
    """
    note = ''
    try:
        if folder.is_dir():
            return build(folder), True, ''
    except (EngineError, OSError) as error:  # OSError: it may not be read
        note = f'the cache {folder} was of no use: {error}'
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder.parent)
        work = TemporaryDirectory(prefix='.part-', dir=folder.parent, ignore_cleanup_errors=True)
    except OSError as error:
        return build(None), False, _not_kept(note, folder.parent, error)
    with work:
        part = Path(work.name, 'new')
        part.mkdir()
        built = build(part)
        try:
            if note:
                with suppress(FileNotFoundError):  # another process has done it
                    folder.rename(Path(work.name, 'old'))
            part.rename(folder)
        except OSError as error:
            # Another process may have been faster; its folder is as good.
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                return built, False, _not_kept(note, folder, error)
    return built, True, note


def _not_kept(note: str, place: Path, error: OSError) -> str:
    told = (note, f'TensorRT builds at every start: {place}: {error.strerror}')
    return '; '.join(filter(None, told))


def _remove_abandoned(root: Path) -> None:
    for part in root.glob('.part-*'):
        with suppress(OSError):  # another process may be faster
            if time.time() - part.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(part)
