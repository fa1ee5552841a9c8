# SPDX-License-Identifier: Apache-2.0
"""
Turn BDD100K as distributed into the YOLOP layout: images, JSON of 2018, drivable and lane PNGs.

An image's JSON is written last and marks it as done, so a run that was cut off goes on where it
was. `prepare.json` says how the folder was made: a run with other settings is refused. It is
written first, and again at the end of each split with what was skipped and dropped.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from tqdm import tqdm

from model_tools.data.bdd_labels import OBJECT_CATEGORIES, parse_json
from model_tools.data.label_set import LabelSet
from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers import ReaderSettings, open_data
from model_tools.data.readers.bdd100k import Bdd100kData
from model_tools.data.sample import Sample
from model_tools.data.workers import start_workers
from panoptic_perception.core.files import write_json, write_whole

REPORT = 'prepare.json'
TRAIN_WIDTH: Final = 8
TEST_WIDTH: Final = 2
"""Pixels of a lane line, as in the literature."""
_CATEGORIES = sorted(OBJECT_CATEGORIES)
_EVERY_CATEGORY = LabelSet(tuple(_CATEGORIES), {name: name for name in _CATEGORIES})
_CHUNK = 8


@dataclass(frozen=True)
class PrepareSettings:
    """What the masks are to show; a lane width of None is 8 px for train and 2 px elsewhere."""

    drivable: Literal['merged', 'direct'] = 'merged'
    lane_width: Literal[2, 8] | None = None

    def reader(self, split: str) -> ReaderSettings:
        """Return how to read a split: each category by its own name."""
        width = self.lane_width or (TRAIN_WIDTH if split == 'train' else TEST_WIDTH)
        return ReaderSettings(labels=_EVERY_CATEGORY, drivable=self.drivable, lane_width=width)


@dataclass(frozen=True)
class _Job:
    """What a worker process needs to know about a split."""

    data: Bdd100kData
    split: str
    out: Path

    def path(self, folder: str, name: str) -> Path:
        return self.out / folder / self.split / name

    def unfinished(self) -> list[str]:
        """Return the names of the images that are not done."""
        names = self.data.names(self.split)
        return [n for n in names if not self.path('det_annotations', f'{n}.json').is_file()]

    def made(self) -> dict[str, Any]:
        """Return what decides how the files come out."""
        return {
            'drivable': self.data.settings.drivable,
            'lane_width': self.data.settings.lane_width,
            'label_sources': self.data.label_sources(self.split),
        }


def prepare(
    root: Path,
    out: Path,
    splits: Sequence[str],
    settings: PrepareSettings,
    *,
    workers: int,
    max_skipped: float = 0.01,
) -> dict[str, Any]:
    """
    Write the splits of a BDD100K tree into `out` and return the report that lies there.

    Raises:
        DatasetError: The tree is not BDD100K, a split has no images, more than the share
            `max_skipped` of a split cannot be used, or `out` was made in another way.

    """
    if workers < 1:
        raise ValueError(f'at least one worker is needed, found {workers}')
    jobs = [_Job(_open(root, settings.reader(split)), split, out) for split in splits]
    report = _read_report(out)
    for job in jobs:
        made = job.made()
        earlier = report.setdefault(job.split, {'made': made})['made']
        if earlier != made:
            raise DatasetError(
                f"'{out / REPORT}': split {job.split!r} was made with {earlier}, "
                f'now {made} is asked for; choose another folder'
            )
    out.mkdir(parents=True, exist_ok=True)
    _write_report(out, report)
    with _pool(jobs, workers) as pool:
        try:
            for job in jobs:
                _prepare_split(job, report, pool, max_skipped)
        except BrokenProcessPool as error:
            raise OSError(
                'a worker process was killed, perhaps for want of memory; run again to go on, '
                'with fewer --workers'
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)
    return report


def _open(root: Path, settings: ReaderSettings) -> Bdd100kData:
    data = open_data(root, settings)
    if not isinstance(data, Bdd100kData):
        raise DatasetError(
            f"'{root}': expected BDD100K as distributed (images/100k), found the layout "
            f'{data.layout!r}, which can be read as it is'
        )
    return data


def _read_report(out: Path) -> dict[str, Any]:
    path = out / REPORT
    if path.is_file():
        report = parse_json(path.read_bytes(), str(path))
        if not isinstance(report, dict) or not all(
            isinstance(entry, dict) and 'made' in entry for entry in report.values()
        ):
            raise DatasetError(
                f"'{path}': expected the report of an earlier run, found something else; "
                'choose another folder'
            )
        return report
    if out.is_dir() and any(out.iterdir()):
        raise DatasetError(
            f"'{out}': expected a new folder or one of an earlier run, found files but no "
            f'{REPORT}; choose another folder'
        )
    return {}


def _write_report(out: Path, report: dict[str, Any]) -> None:
    write_json(out / REPORT, report)


def _prepare_split(
    job: _Job, report: dict[str, Any], pool: ProcessPoolExecutor, max_skipped: float
) -> None:
    total, left = len(job.data.names(job.split)), job.unfinished()
    kept = total - len(left)
    chunks = [left[i : i + _CHUNK] for i in range(0, len(left), _CHUNK)]
    problems = Problems(total, limit=max_skipped)
    entry = report[job.split]
    earlier = Counter(entry.get('dropped_objects', {}))
    try:
        for error in job.data.damage:
            problems.skip(error)
        with tqdm(
            desc=job.split, total=total, initial=kept, unit='image', disable=None
        ) as progress:
            for found in pool.map(partial(_write_chunk, job.split), chunks):
                problems.merge(found)
                progress.update(found.images)
    finally:
        # Objects of images that were done before are not seen again: their count is carried on.
        summary = problems.summary()
        dropped = dict((earlier + Counter(summary['dropped_objects'])).most_common())
        entry.update(summary, kept=kept, dropped_objects=dropped)
        _write_report(job.out, report)


_jobs: dict[str, _Job]
"""Of a worker process, by split; sent once, as the index of a label file can be large."""


def _pool(jobs: Sequence[_Job], workers: int) -> ProcessPoolExecutor:
    for job in jobs:
        # The first read makes the index of a label file, which the workers then need not make.
        for name in job.unfinished()[:1]:
            with suppress(DatasetError):
                job.data.read(job.split, name, Problems(1, limit=1.0))
    return start_workers(workers, _keep, {job.split: job for job in jobs})


def _keep(jobs: dict[str, _Job]) -> None:
    global _jobs
    _jobs = jobs


def _write_chunk(split: str, names: Sequence[str]) -> Problems:
    problems = Problems(len(names), limit=1.0)
    for name in names:
        try:
            _write_image(_jobs[split], name, problems)
        except DatasetError as error:
            problems.skip(error)
    return problems


def _write_image(job: _Job, name: str, problems: Problems) -> None:
    sample = job.data.read(job.split, name, problems)
    job.data.place_image(job.split, name, job.out / 'images' / job.split)
    masks = {'da_seg_annotations': sample.drivable, 'll_seg_annotations': sample.lane}
    for folder, mask in masks.items():
        if mask is not None:
            # Without options OpenCV writes such masks three times faster, and as small.
            _write(job.path(folder, f'{name}.png'), cv2.imencode('.png', mask)[1].tobytes())
    _write(job.path('det_annotations', f'{name}.json'), json.dumps(_record(sample)).encode())


def _record(sample: Sample) -> dict[str, Any]:
    """Return boxes and attributes in the form of 2018; tasks without labels are said to be so."""
    labelled = {
        'box_label': sample.boxes_complete or len(sample.boxes),
        'drivable_label': sample.drivable is not None,
        'lane_label': sample.lane is not None,
    }
    unlabelled = {key: 'none' for key, there in labelled.items() if not there}
    return {
        'name': f'{sample.name}.jpg',
        'attributes': {**sample.attributes, **unlabelled},
        'frames': [
            {
                'timestamp': 10000,
                'objects': [
                    {
                        'category': _CATEGORIES[label],
                        'id': number,
                        'attributes': {'crowd': bool(crowd)},
                        'box2d': _box2d(box),
                    }
                    for number, (box, label, crowd) in enumerate(
                        zip(sample.boxes, sample.labels, sample.crowd, strict=True)
                    )
                ],
            }
        ],
    }


def _box2d(box: np.ndarray) -> dict[str, float]:
    return {
        key: round(float(value), 3)
        for key, value in zip(('x1', 'y1', 'x2', 'y2'), box, strict=True)
    }


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
