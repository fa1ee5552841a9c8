# SPDX-License-Identifier: Apache-2.0
"""Count what a data set holds: images, labels, objects, masks, conditions, and where they are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from model_tools.data.problems import Problems
from model_tools.data.readers import RoadData
from model_tools.data.sample import IGNORE, Sample
from model_tools.data.tools.scan import Progress, quiet, scan

CONDITIONS = ('source', 'timeofday', 'weather', 'scene')
TASKS = ('drivable', 'lane')

# The last bin of a histogram also holds everything above it.
_HEIGHT_EDGES_PX = (0, *(round(4 * 2 ** (i / 2), 1) for i in range(15)))  # 4 to 512
_BOXES_EDGES = tuple(range(0, 100, 4))
_SHARE_EDGES = {
    'drivable': tuple(i / 20 for i in range(20)),
    'lane': tuple(i / 400 for i in range(20)),
    'ignore': tuple(i / 20 for i in range(20)),
}
_HEAT_WH = (32, 18)
_BOX_CANVAS_WH = (320, 180)


@dataclass(frozen=True)
class _Heat:
    """A class on the 32x18 cells of an image, each of shape (18, 32) and 0 to 1."""

    present: np.ndarray
    known: np.ndarray


@dataclass(frozen=True)
class _Facts:
    """What one image adds to the counts."""

    wh: tuple[int, int]
    attributes: dict[str, str]
    boxes_labelled: bool
    boxes_complete: bool
    labels: np.ndarray
    crowd: np.ndarray
    heights_px: np.ndarray
    shares: dict[str, tuple[float, float]]
    """Class and ignore share of each labelled mask; the class share is of the known pixels."""
    heat: dict[str, _Heat]


def data_stats(
    data: RoadData,
    splits: Sequence[str] | None = None,
    *,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Count some splits (default: all)."""
    labels = data.settings.labels.names
    return {
        'schema': 1,
        'layout': data.layout,
        'labels': list(labels),
        'damage': [str(error) for error in data.damage],
        'splits': {
            split: _split_stats(data, split, labels, progress) for split in splits or data.splits()
        },
    }


def _split_stats(
    data: RoadData, split: str, labels: Sequence[str], progress: Progress
) -> dict[str, Any]:
    """Count one split."""
    counts = _Counts(labels)
    problems = Problems(len(data.names(split)), limit=1)
    for image in scan(data, split, _facts, progress=progress):
        for kind, sentence in image.notes:
            problems.note(kind, sentence)
        if image.error is not None:
            problems.skip(image.error)
        if image.value is not None:
            counts.add(image.value)
    return {
        **counts.as_dict(),
        'label_sources': data.label_sources(split),
        'problems': problems.summary(),
    }


class _Counts:
    """The counts of a split, image by image."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels
        self._images = 0
        self._sizes = Counter[str]()
        self._groups: set[tuple[str, str]] = set()
        self._attributes: dict[str, Counter[str]] = {key: Counter() for key in CONDITIONS}
        self._labelled = dict.fromkeys(('boxes', 'boxes_incomplete', *TASKS), 0)
        self._boxes_an_image: list[int] = []
        self._heights: dict[int, list[np.ndarray]] = defaultdict(list)
        self._crowd, self._images_with = Counter[int](), Counter[int]()
        self._shares: dict[str, list[tuple[float, float]]] = {task: [] for task in TASKS}
        self._present = {key: np.zeros(_HEAT_WH[::-1]) for key in ('boxes', *TASKS)}
        self._known = {key: np.zeros(_HEAT_WH[::-1]) for key in ('boxes', *TASKS)}

    def add(self, image: _Facts) -> None:
        self._images += 1
        self._sizes['{}x{}'.format(*image.wh)] += 1
        for key in CONDITIONS:
            self._attributes[key][image.attributes.get(key, 'unknown')] += 1
        for key in sorted(image.attributes):
            if key.endswith('_label'):
                self._attributes.setdefault(key, Counter())[image.attributes[key]] += 1
        if 'group' in image.attributes:
            source = image.attributes.get('source', 'unknown')
            self._groups.add((source, image.attributes['group']))
        self._add_objects(image)
        for task, shares in image.shares.items():
            self._labelled[task] += 1
            self._shares[task].append(shares)
        for key, heat in image.heat.items():
            self._present[key] += heat.present
            self._known[key] += heat.known

    def _add_objects(self, image: _Facts) -> None:
        if not image.boxes_labelled:
            return
        self._labelled['boxes' if image.boxes_complete else 'boxes_incomplete'] += 1
        self._boxes_an_image.append(int(np.count_nonzero(~image.crowd)))
        for label in np.unique(image.labels).tolist():
            mine = image.labels == label
            self._crowd[label] += int(np.count_nonzero(mine & image.crowd))
            if (boxes := mine & ~image.crowd).any():
                self._images_with[label] += 1
                self._heights[label].append(image.heights_px[boxes])

    def as_dict(self) -> dict[str, Any]:
        return {
            'images': self._images,
            'groups': len(self._groups),
            'image_sizes': dict(self._sizes.most_common()),
            'labelled': self._labelled,
            'attributes': {key: dict(c.most_common()) for key, c in self._attributes.items()},
            'objects': {name: self._objects(i) for i, name in enumerate(self._labels)},
            'boxes_an_image': _histogram(np.array(self._boxes_an_image), _BOXES_EDGES),
            'masks': {task: self._mask(task) for task in TASKS},
            'heat': {key: self._heat(key) for key in self._present},
        }

    def _objects(self, label: int) -> dict[str, Any]:
        heights = np.concatenate([*self._heights[label], np.empty(0)])
        return {
            'boxes': len(heights),
            'crowd': self._crowd[label],
            'images': self._images_with[label],
            'height_px': _histogram(heights, _HEIGHT_EDGES_PX),
            'by_height': {
                '<16': int(np.count_nonzero(heights < 16)),
                '16-32': int(np.count_nonzero((heights >= 16) & (heights <= 32))),
                '>32': int(np.count_nonzero(heights > 32)),
            },
        }

    def _mask(self, task: str) -> dict[str, Any]:
        shares = np.array(self._shares[task]).reshape(-1, 2)
        return {
            'images': len(shares),
            'class': _histogram(shares[:, 0], _SHARE_EDGES[task]),
            'ignore': _histogram(shares[:, 1], _SHARE_EDGES['ignore']),
        }

    def _heat(self, key: str) -> list[list[float]] | None:
        """Return the share of the known images that has the class in each cell."""
        known = self._known[key]
        if not known.any():
            return None
        return (self._present[key] / np.maximum(known, 1e-9)).round(4).tolist()


def _facts(sample: Sample) -> _Facts:
    height, width = sample.image.shape[:2]
    labelled = sample.boxes_complete or len(sample.boxes) > 0
    masks = {'drivable': sample.drivable, 'lane': sample.lane}
    present = {task: mask for task, mask in masks.items() if mask is not None}
    heat = {task: _mask_heat(mask) for task, mask in present.items()}
    if labelled:
        heat['boxes'] = _box_heat(sample.boxes[~sample.crowd], (width, height))
    return _Facts(
        wh=(width, height),
        attributes=dict(sample.attributes),
        boxes_labelled=labelled,
        boxes_complete=sample.boxes_complete,
        labels=sample.labels,
        crowd=sample.crowd,
        heights_px=sample.boxes[:, 3] - sample.boxes[:, 1],
        shares={task: _shares(mask) for task, mask in present.items()},
        heat=heat,
    )


def _shares(mask: np.ndarray) -> tuple[float, float]:
    ignored = int(np.count_nonzero(mask == IGNORE))
    known = mask.size - ignored
    return np.count_nonzero(mask == 255) / max(known, 1), ignored / mask.size


def _mask_heat(mask: np.ndarray) -> _Heat:
    return _Heat(_cells((mask == 255).astype(np.float32)), _cells((mask != IGNORE).astype('f4')))


def _box_heat(boxes: np.ndarray, source_wh: tuple[int, int]) -> _Heat:
    canvas = np.zeros(_BOX_CANVAS_WH[::-1], np.float32)
    corners = boxes.reshape(-1, 2, 2) / source_wh * _BOX_CANVAS_WH
    for (x1, y1), (x2, y2) in np.rint(corners).astype(int).tolist():
        canvas[y1:y2, x1:x2] = 1
    return _Heat(_cells(canvas), np.ones(_HEAT_WH[::-1]))


def _cells(plane: np.ndarray) -> np.ndarray:
    return cv2.resize(plane, _HEAT_WH, interpolation=cv2.INTER_AREA)


def _histogram(values: np.ndarray, edges: Sequence[float]) -> dict[str, Any]:
    """Count values between edges; the last bin, from the last edge on, is open."""
    counts = np.histogram(values, (*edges, np.inf))[0].tolist()
    if not len(values):
        return {'mean': None, 'median': None, 'max': None, 'edges': list(edges), 'counts': counts}
    return {
        'mean': round(float(values.mean()), 4),
        'median': round(float(np.median(values)), 4),
        'max': round(float(values.max()), 4),
        'edges': list(edges),
        'counts': counts,
    }
