# SPDX-License-Identifier: Apache-2.0
"""
A split decoded once onto disk, and mapped into memory by all processes and by later runs.

Processes that map the same files share one copy of them, which the system keeps in what memory is
free. A cache is a folder that is there whole or not at all, and one process at a time makes it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from tqdm import tqdm

from model_tools.data.cache import CanvasSample, SampleCache, to_canvas
from model_tools.data.files_digest import CACHE_RECORD, files_digest
from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers import RoadData
from panoptic_perception.core.files import durable

SCHEMA = 2
"""To be raised whenever the same files come to be decoded to something else."""


class CacheError(OSError):
    """A cache cannot be written where it is to lie."""


def open_cache(
    data: RoadData, split: str, canvas_wh: tuple[int, int], folder: Path, *, max_skipped: float
) -> tuple[SampleCache, dict[str, Any]]:
    """
    Map the cache of a split, which is made first if `folder` has none of the files as they are.

    Args:
        data: Read with as many threads as there are cores.
        split: Of which all samples are kept.
        canvas_wh: Width and height of the canvas.
        folder: Holds a cache for each data set and each way to decode it.
        max_skipped: Share of broken images that are left out.

    Returns:
        The samples, not to be written to, and the summary of the problems met in decoding.

    Raises:
        DatasetError: Too much is broken, or no image is left.
        CacheError: There is no room, or the folder cannot be written or locked.

    """
    job = _Job(data, split, data.names(split), canvas_wh, max_skipped)
    path = folder / job.folder_name()
    try:
        _ensure(path, job)
    except CacheError:
        raise
    except OSError as error:
        raise CacheError(
            f"'{folder}': the cache of '{data.root}' cannot be written "
            f'({error.strerror or error}): set `cache` to a folder of a disk with '
            f'{job.nbytes / 1e9:.1f} GB free'
        ) from error
    return _map(path), json.loads((path / CACHE_RECORD).read_text())['problems']


@dataclass(frozen=True)
class _Job:
    """What to decode, and how."""

    data: RoadData
    split: str
    names: Sequence[str]
    canvas_wh: tuple[int, int]
    max_skipped: float

    @property
    def nbytes(self) -> int:
        """Return the size of three channels and a mask of each image."""
        return len(self.names) * self.canvas_wh[0] * self.canvas_wh[1] * 4

    def settings(self) -> dict[str, Any]:
        """Return plain values: two jobs with the same ones are for the same cache."""
        values = {
            'schema': SCHEMA,
            'data': str(self.data.root.resolve()),
            'split': self.split,
            'canvas_wh': self.canvas_wh,
            'max_skipped': float(self.max_skipped),
            **asdict(self.data.settings),
        }
        plain: dict[str, Any] = json.loads(json.dumps(values, sort_keys=True))
        return plain

    def folder_name(self) -> str:
        digest = hashlib.sha256(json.dumps(self.settings()).encode()).hexdigest()
        return f'{self.data.root.stem}-{self.split}-{digest[:12]}'

    def made_of(self) -> dict[str, Any]:
        """Return all that decides what the cache holds."""
        files = files_digest(self.data.root, self.names)
        return {'settings': self.settings(), 'files': files}


def _ensure(path: Path, job: _Job) -> None:
    """Make a cache if there is none of the files as they are."""
    made_of = job.made_of()
    if _made_of(path) == made_of:
        return
    with _locked(path):
        if _made_of(path) != made_of:  # else another process made it meanwhile
            _make(path, made_of, job)


def _made_of(path: Path) -> dict[str, Any] | None:
    """Return what decides the content of a cache; None if there is no whole one."""
    try:
        record = json.loads((path / CACHE_RECORD).read_text())
    except FileNotFoundError:
        return None
    return {'settings': record['settings'], 'files': record['files']}


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time through; the system ends the lock of one that is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f'.{path.name}.lock').open('a') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(path: Path, made_of: dict[str, Any], job: _Job) -> None:
    """Decode a split into a folder that gets its name when it is whole."""
    part = path.with_name(f'.{path.name}.part')
    if part.exists():  # left by a process that was killed
        shutil.rmtree(part)
    if path.exists():
        print(f"'{path}': files of '{job.data.root}' changed: decoding anew", file=sys.stderr)
        path.rename(part)  # never is there a half of it under its name
        shutil.rmtree(part)
    free = shutil.disk_usage(path.parent).free
    if free < job.nbytes:
        raise CacheError(
            f"'{path.parent}': the cache of '{job.data.root}' needs {job.nbytes / 1e9:.1f} GB, "
            f'{free / 1e9:.1f} GB are free: make room, or set `cache` to a folder of another disk'
        )
    part.mkdir()
    try:
        problems = Problems(len(job.names), limit=job.max_skipped)
        for error in job.data.damage:
            problems.skip(error)
        title = f'decode {job.data.root.name}'
        bar = tqdm(_decode(job), title, len(job.names), delay=3, disable=None)
        _write(part, bar, job.canvas_wh, problems)
        with durable(part / CACHE_RECORD) as file:
            record = {**made_of, 'problems': problems.summary()}
            file.write(json.dumps(record, indent=2).encode())
        part.rename(path)
    except BaseException:
        shutil.rmtree(part)
        raise


Decoded = tuple[CanvasSample | None, Problems]
"""A sample, None if it cannot be used, and what is wrong with it."""


def _decode(job: _Job) -> Iterator[Decoded]:
    """Decode a split in the order of its names, some images ahead of the one that is taken."""
    names = iter(job.names)
    for name in names:
        # Readers index their label lists at the first sample: once, and not in each thread.
        first = _decode_one(job, name)
        yield first
        if first[0] is not None:
            break
    workers = len(os.sched_getaffinity(0))
    pending: deque[Future[Decoded]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for name in names:
            pending.append(pool.submit(_decode_one, job, name))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _decode_one(job: _Job, name: str) -> Decoded:
    problems = Problems(1, limit=1)
    try:
        sample = job.data.read(job.split, name, problems)
    except DatasetError as error:
        problems.skip(error)
        return None, problems
    return to_canvas(sample, job.canvas_wh), problems


def _write(
    part: Path, decoded: Iterable[Decoded], canvas_wh: tuple[int, int], problems: Problems
) -> None:
    """Write pictures one after the other, and then what there is to say of them."""
    width, height = canvas_wh
    kept: list[dict[str, Any]] = []
    with durable(part / 'images.npy') as images, durable(part / 'masks.npy') as masks:
        # As long as the true headers, which take their place when the rows are counted.
        _write_header(images, (0, height, width, 3))
        _write_header(masks, (0, height, width))
        for sample, found in decoded:
            problems.merge(found)
            if sample is not None:
                fields = dict(vars(sample))
                images.write(fields.pop('image'))
                masks.write(fields.pop('mask'))
                kept.append(fields)
        _write_header(images, (len(kept), height, width, 3))
        _write_header(masks, (len(kept), height, width))
    if not kept:
        raise DatasetError('no images to train on: all of the split are broken')
    columns: dict[str, Any] = {name: [fields[name] for fields in kept] for name in kept[0]}
    columns['counts'] = [len(boxes) for boxes in columns['boxes']]
    for name in ('boxes', 'labels', 'crowd'):
        columns[name] = np.concatenate(columns[name])
    with durable(part / 'objects.npz') as file:
        np.savez_compressed(file, **columns)


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    file.seek(0)
    header = {'descr': '|u1', 'fortran_order': False, 'shape': shape}
    np.lib.format.write_array_header_1_0(file, header)


def _map(path: Path) -> SampleCache:
    images, masks = (_mapped(path / f'{name}.npy') for name in ('images', 'masks'))
    with np.load(path / 'objects.npz') as found:
        objects = dict(found)
    ends = np.cumsum(objects['counts'])[:-1]
    return SampleCache(
        images=images.permute(0, 3, 1, 2).unbind(),
        masks=masks.unbind(),
        boxes=np.split(objects['boxes'], ends),
        labels=np.split(objects['labels'], ends),
        crowd=np.split(objects['crowd'], ends),
        complete=objects['complete'].tolist(),
        names=objects['name'].tolist(),
        sources=objects['source'].tolist(),
        groups=objects['group'].tolist(),
    )


def _mapped(path: Path) -> torch.Tensor:
    # A map that could be written to would count as memory, of which there may be less.
    array = np.load(path, mmap_mode='r')
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'The given NumPy array is not writable')
        return torch.from_numpy(array)
