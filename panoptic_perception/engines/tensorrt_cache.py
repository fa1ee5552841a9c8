# SPDX-License-Identifier: Apache-2.0
"""Keep on disk what TensorRT builds for minutes: whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from panoptic_perception.engines.engine import EngineError
from panoptic_perception.engines.model_file import ModelInfo

T = TypeVar('T')


def cache_folder(model: ModelInfo, *, precision: str, gpu: str, version: str) -> Path:
    """Return the folder for a model file, precision, GPU and version of ONNX Runtime."""
    root = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    parts = (model.sha256[:16], precision, gpu, f'onnxruntime-{version}')
    return root / 'panoptic_perception' / 'tensorrt' / re.sub(r'[^\w.-]+', '-', '-'.join(parts))


def open_cached(folder: Path, build: Callable[[Path | None], T]) -> tuple[T, str]:
    """
    Return what `build(folder)` makes and a note, '' if the cache served.

    `build` reads the files it finds in the folder and writes those it misses; None means to keep
    none. A new folder is filled beside its place and moved there when it is whole; a damaged one
    is replaced.
    """
    note = ''
    if folder.is_dir():
        try:
            return build(folder), ''
        except EngineError as error:
            shutil.rmtree(folder, ignore_errors=True)
            note = f'the cache {folder} was of no use and is made anew: {error}'
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix='.part-', dir=folder.parent))
    except OSError as error:
        return build(None), f'TensorRT builds at every start: {folder.parent}: {error.strerror}'
    try:
        built = build(part)
        # Another process may have been faster; its folder is as good.
        with suppress(OSError):
            part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return built, note
