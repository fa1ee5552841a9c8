# SPDX-License-Identifier: Apache-2.0
"""Keep on disk what TensorRT builds for minutes: whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from panoptic_perception.engines.engine import EngineError
from panoptic_perception.engines.model_file import ModelInfo

T = TypeVar('T')

ABANDONED_S = 24 * 3600
"""How old the folder of a build is that was killed: none takes so long."""


def cache_folder(model: ModelInfo, *, precision: str, gpu: str, version: str) -> Path:
    """Return the folder for a model file, precision, GPU and version of ONNX Runtime."""
    root = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    parts = (model.sha256[:16], precision, gpu, f'onnxruntime-{version}')
    return root / 'panoptic_perception' / 'tensorrt' / re.sub(r'[^\w.-]+', '-', '-'.join(parts))


def open_cached(folder: Path, build: Callable[[Path | None], T]) -> tuple[T, str]:
    """
    Return what `build(folder)` makes and a note, '' if the cache served.

    `build` reads the files it finds in the folder and writes those it misses; None means to keep
    none. A new folder is filled beside its place and moved there when it is whole; one that is of
    no use goes only then, for the fault may lie elsewhere, as in a GPU without free memory.
    """
    note = ''
    if folder.is_dir():
        try:
            return build(folder), ''
        except EngineError as error:
            note = f'the cache {folder} was of no use and is made anew: {error}'
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder.parent)
        work = TemporaryDirectory(prefix='.part-', dir=folder.parent, ignore_cleanup_errors=True)
    except OSError as error:
        return build(None), f'TensorRT builds at every start: {folder.parent}: {error.strerror}'
    with work:
        part = Path(work.name, 'new')
        part.mkdir()
        built = build(part)
        # Another process may have been faster; its folder is as good.
        with suppress(OSError):
            if note:
                folder.rename(Path(work.name, 'old'))
            part.rename(folder)
    return built, note


def _remove_abandoned(root: Path) -> None:
    for part in root.glob('.part-*'):
        with suppress(OSError):  # another process may be faster
            if time.time() - part.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(part)
