# SPDX-License-Identifier: Apache-2.0
"""
The label files of BDD100K, of 2018 and of 2020, as one form.

2018, an image a file: `{name, attributes, frames: [{objects: [{category, attributes,
box2d | poly2d: [[x, y, 'L' | 'C'], ...]}]}]}`, with lanes as 'lane/single white' and areas as
'area/drivable'. Lists of images, of 2018 and of 2020 (Scalabel): `{name, attributes,
labels: [{category, attributes, box2d | poly2d: [{vertices, types, closed}]}] | null}`. The list
of 2018 says 'lane' and 'drivable area' and leaves the rest to attributes; here its categories
become those of the single files. Those of 2020 ('single white', 'direct') stay as they are.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model_tools.data.problems import DatasetError

OBJECT_CATEGORIES = frozenset((
    'car', 'bus', 'truck', 'train', 'person', 'pedestrian', 'rider', 'bike', 'bicycle', 'motor',
    'motorcycle', 'traffic light', 'traffic sign', 'other vehicle', 'other person', 'trailer',
))  # fmt: skip
"""What BDD100K draws boxes around."""
AREA_CATEGORIES = frozenset(('direct', 'alternative'))
LANE_TYPES = (
    'crosswalk', 'double other', 'double white', 'double yellow', 'road curb', 'single other',
    'single white', 'single yellow',
)  # fmt: skip
"""In the order of the lane mask's category bits."""


@dataclass(frozen=True, eq=False)
class Polyline:
    """A line or an outline; three vertices in a row of type 'C' end a cubic Bezier segment."""

    vertices: np.ndarray
    """(K, 2) float64, pixels."""
    types: str
    """One letter a vertex: 'L' a corner, 'C' a control point or the end of a Bezier."""
    closed: bool


@dataclass(frozen=True, eq=False)
class LabelledObject:
    """A box, or lines, with the category as labelled."""

    category: str
    box: tuple[float, float, float, float] | None
    """x1 y1 x2 y2 in pixels, as labelled: perhaps inverted, empty or outside."""
    polylines: tuple[Polyline, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class ImageLabels:
    """All that a label file says about one image."""

    name: str
    """As labelled: with or without a suffix, perhaps empty."""
    attributes: Mapping[str, str]
    objects: tuple[LabelledObject, ...]
    where: str = ''
    """What to call it in a message."""


def is_known(category: str) -> bool:
    """Return whether BDD100K has this category, of whatever task and year."""
    return (
        category in OBJECT_CATEGORIES
        or category in AREA_CATEGORIES
        or category in LANE_TYPES
        or category.startswith(('lane/', 'area/'))
    )


def parse_file(text: bytes, where: str) -> list[ImageLabels]:
    """Parse a file that holds one image, a list of them, or a list under 'frames'."""
    value = parse_json(text, where)
    if isinstance(value, list):
        return [parse_record(record, where) for record in value]
    frames = value.get('frames') if isinstance(value, dict) else None
    if isinstance(frames, list) and 'name' not in value and not _has_objects(frames):
        return [parse_record(record, where) for record in frames]
    return [parse_record(value, where)]


def parse_json(text: bytes, where: str) -> Any:
    """Parse JSON, or raise a DatasetError that names `where`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"'{where}': expected JSON: {error}", kind='bad_json') from error


def parse_record(record: object, where: str) -> ImageLabels:
    """Turn the record of one image into labels; DatasetError if it has another shape."""
    values = _mapping(record, 'a record', where)
    name = values.get('name', '')
    if not isinstance(name, str):
        raise _shape_error(where, 'name to be text', name)
    attributes = _mapping(values.get('attributes') or {}, 'attributes', where)
    if 'frames' in values:
        frames = _sequence(values['frames'], 'frames', where)
        objects: Sequence[Any] = [
            item
            for frame in frames
            for item in _sequence(
                _mapping(frame, 'a frame', where).get('objects') or [], 'objects', where
            )
        ]
    elif 'labels' in values or 'name' in values:
        objects = _sequence(values.get('labels') or [], 'labels', where)
    else:
        raise _shape_error(where, "'frames' or 'labels'", sorted(values))
    return ImageLabels(
        name=name,
        attributes={str(k): str(v) for k, v in attributes.items()},
        objects=tuple(_object(item, where) for item in objects),
        where=where,
    )


def _object(item: object, where: str) -> LabelledObject:
    values = _mapping(item, 'an object', where)
    attributes = _mapping(values.get('attributes') or {}, 'attributes', where)
    category = values.get('category')
    if not isinstance(category, str):
        raise _shape_error(where, 'an object to name its category', category)
    if category == 'lane':
        category = f'lane/{attributes.get("laneTypes", "unknown")}'
    elif category == 'drivable area':
        area = attributes.get('areaType', 'unknown')
        category = 'area/drivable' if area == 'direct' else f'area/{area}'
    box = values.get('box2d')
    return LabelledObject(
        category=category,
        box=None if box is None else _box(box, where),
        polylines=_polylines(values.get('poly2d') or [], category.startswith('area/'), where),
        attributes=attributes,
    )


def _box(box: object, where: str) -> tuple[float, float, float, float]:
    values = _mapping(box, 'box2d', where)
    x1, y1, x2, y2 = (
        _number(values.get(k), f'box2d.{k}', where) for k in ('x1', 'y1', 'x2', 'y2')
    )
    return x1, y1, x2, y2


def _polylines(poly2d: object, closed: bool, where: str) -> tuple[Polyline, ...]:
    """Parse either form of poly2d; `closed` is for the one of 2018, which does not say."""
    items = _sequence(poly2d, 'poly2d', where)
    if items and isinstance(items[0], Mapping):
        return tuple(_polyline_2020(item, where) for item in items)
    if not items:
        return ()
    points = [_sequence(item, 'a vertex', where) for item in items]
    types = ''.join(str(p[2]) if len(p) > 2 else 'L' for p in points)
    return (_polyline(points, types, closed, where),)


def _polyline_2020(item: object, where: str) -> Polyline:
    values = _mapping(item, 'poly2d', where)
    points = [
        _sequence(point, 'a vertex', where)
        for point in _sequence(values.get('vertices'), 'vertices', where)
    ]
    types = values.get('types') or 'L' * len(points)
    return _polyline(points, str(types), bool(values.get('closed')), where)


def _polyline(
    points: Sequence[Sequence[object]], types: str, closed: bool, where: str
) -> Polyline:
    if len(types) != len(points) or set(types) - {'L', 'C'}:
        raise _shape_error(where, f"one 'L' or 'C' for each of {len(points)} vertices", types)
    rows = []
    for point in points:
        if len(point) < 2:
            raise _shape_error(where, 'a vertex of two numbers', point)
        rows.append([_number(value, 'a vertex', where) for value in point[:2]])
    return Polyline(np.array(rows, np.float64).reshape(-1, 2), types, closed)


def _number(value: object, what: str, where: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < math.inf:
        with contextlib.suppress(OverflowError):  # of an integer of hundreds of digits
            return float(value)
    raise _shape_error(where, f'{what} to be a finite number', value)


def _mapping(value: object, what: str, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _shape_error(where, f'{what} to be a mapping', value)
    return value


def _sequence(value: object, what: str, where: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise _shape_error(where, f'{what} to be a list', value)
    return value


def _shape_error(where: str, expected: str, found: object) -> DatasetError:
    text = repr(found)
    text = text if len(text) <= 60 else f'{text[:57]}...'
    return DatasetError(
        f"'{where}': expected {expected}, found {text}; is it a BDD100K label file?",
        kind='bad_labels',
    )


def _has_objects(frames: list[Any]) -> bool:
    return any(isinstance(frame, Mapping) and 'objects' in frame for frame in frames)
