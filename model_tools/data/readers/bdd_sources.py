# SPDX-License-Identifier: Apache-2.0
"""
Find which of its label files a BDD100K tree has.

Paths as in https://github.com/bdd100k/bdd100k/blob/master/doc/source/download.rst; `labels/100k`
and `labels/bdd100k_labels_images_SPLIT.json` are the two forms of the labels of 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from model_tools.data.files import Files
from model_tools.data.problems import DatasetError
from model_tools.data.readers.label_files import JsonFolder, JsonList, LabelFiles

_PROBED = 100
"""Images whose labels of 2018 are searched for lanes and areas: almost each has both."""


Labels = TypeVar('Labels', bound='LabelFiles | str')
"""JSON, or a folder of masks."""


@dataclass(frozen=True)
class Source(Generic[Labels]):
    """Labels of one task, and what to call them in a report."""

    labels: Labels
    text: str


@dataclass(frozen=True)
class Sources:
    """Where the labels of a split come from; None: not labelled."""

    boxes: Source[LabelFiles] | None
    drivable: Source[LabelFiles | str] | None
    lane: Source[LabelFiles | str] | None


def find_images(files: Files) -> str | None:
    """Return the folder that holds the images' splits, if the tree has one."""
    return _find(files, 'images/100k', lambda folder: bool(files.folders(folder)))


def find_sources(files: Files, split: str, names: Sequence[str]) -> Sources:
    """Choose the label files of a split: corrected boxes, true polylines, ready masks first."""

    def json_list(path: str) -> JsonList | None:
        found = _find(files, path, files.exists)
        return None if found is None else JsonList(files, found)

    def folder(path: str, suffix: str) -> str | None:
        return _find(files, path, lambda folder: bool(files.paths(folder, (suffix,))))

    old: LabelFiles | None = json_list(f'labels/bdd100k_labels_images_{split}.json')
    if old is None and (single := folder(f'labels/100k/{split}', '.json')) is not None:
        old = JsonFolder(files, single)
    return Sources(
        boxes=_first(
            (json_list(f'labels/det_20/det_{split}.json'), 'det_20 JSON'),
            (old, '2018 JSON'),
        ),
        drivable=_first(
            (folder(f'labels/drivable/masks/{split}', '.png'), 'mask files'),
            (json_list(f'labels/drivable/polygons/drivable_{split}.json'), 'drawn from polygons'),
            (_with(old, 'area/', names), 'drawn from polygons of the 2018 JSON'),
        ),
        lane=_first(
            (json_list(f'labels/lane/polygons/lane_{split}.json'), 'drawn from polylines'),
            (_with(old, 'lane/', names), 'drawn from polylines of the 2018 JSON'),
            (folder(f'labels/lane/masks/{split}', '.png'), 'mask files, as wide as annotated'),
        ),
    )


def _find(files: Files, path: str, holds: Callable[[str], bool]) -> str | None:
    """Return where a path is: at the top, under bdd100k/, or in the folder of an archive."""
    tops = files.folders('')
    prefixes = ['', 'bdd100k/', *(f'{top}/' for top in tops), *(f'{top}/bdd100k/' for top in tops)]
    return next((prefix + path for prefix in prefixes if holds(prefix + path)), None)


def _first(*choices: tuple[Labels | None, str]) -> Source[Labels] | None:
    return next((Source(labels, text) for labels, text in choices if labels is not None), None)


def _with(labels: LabelFiles | None, category: str, names: Sequence[str]) -> LabelFiles | None:
    """Return the labels if they have objects of such a category: some hold boxes alone."""
    return labels if labels and any(_has(labels, n, category) for n in names[:_PROBED]) else None


def _has(labels: LabelFiles, name: str, category: str) -> bool:
    try:
        return any(item.category.startswith(category) for item in labels.read(name).objects)
    except DatasetError:
        return False  # it is named when it is read as a sample
