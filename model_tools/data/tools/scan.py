# SPDX-License-Identifier: Apache-2.0
"""Read every image of a split, with several processes where that pays."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers import RoadData
from model_tools.data.sample import Sample
from model_tools.data.workers import start_workers

T = TypeVar('T')
Progress = Callable[[str, Sequence[str]], Iterable[str]]
"""Pass on the names of a split, and show how far it got."""

_WORTH_PROCESSES = 400  # images; to start processes takes about as long as to read these


@dataclass(frozen=True)
class Scanned(Generic[T]):
    """What became of one image."""

    name: str
    value: T | None
    """What was measured; None where the image cannot be used."""
    error: DatasetError | None
    """Why the image cannot be used."""
    notes: tuple[tuple[str, str], ...]
    """(kind, sentence) of every object that was dropped or repaired."""


def quiet(split: str, names: Sequence[str]) -> Iterable[str]:
    """Show no progress."""
    return names


def scan(
    data: RoadData,
    split: str,
    measure: Callable[[Sample], T],
    *,
    workers: int | None = None,
    progress: Progress = quiet,
) -> Iterator[Scanned[T]]:
    """
    Yield what `measure`, a function of a module, returns for every image of a split, in order.

    Nothing wrong with an image ends the scan. One worker reads in this process; by default there
    is one for each core if the split is large.
    """
    names = data.names(split)
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if len(names) >= _WORTH_PROCESSES else 1
    if workers == 1:
        yield from (_scan_one(data, split, measure, name) for name in progress(split, names))
        return
    with start_workers(workers, _keep, data) as pool:
        results = pool.map(partial(_scan_in_worker, split, measure), names, chunksize=16)
        try:
            for _, result in zip(progress(split, names), results, strict=True):
                yield result
        except BrokenProcessPool as error:
            raise ChildProcessError(
                f"'{data.root}': a process that read split {split!r} was ended from outside; "
                'is there memory left?'
            ) from error


class _Notes(Problems):
    """Keep every note about one image."""

    def __init__(self) -> None:
        super().__init__(1)
        self.notes: list[tuple[str, str]] = []

    def note(self, kind: str, sentence: str) -> None:
        self.notes.append((kind, sentence))


def _scan_one(data: RoadData, split: str, measure: Callable[[Sample], T], name: str) -> Scanned[T]:
    problems = _Notes()
    try:
        value = measure(data.read(split, name, problems))
    except DatasetError as error:
        return Scanned(name, None, error, tuple(problems.notes))
    return Scanned(name, value, None, tuple(problems.notes))


_worker: dict[str, Any] = {}


def _keep(data: RoadData) -> None:
    """Keep the data set in a worker: its index is large, and would else travel with each name."""
    _worker['data'] = data


def _scan_in_worker(split: str, measure: Callable[[Sample], T], name: str) -> Scanned[T]:
    return _scan_one(_worker['data'], split, measure, name)
