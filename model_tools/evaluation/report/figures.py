# SPDX-License-Identifier: Apache-2.0
"""The figures of a protocol arranged in tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_tools.evaluation.report.columns import (
    Column,
    columns,
    drawn_by_people,
    figure,
    number,
)

DETECTION_ROWS = (
    ('', 'boxes', ('boxes',)),
    ('', 'AP50', ('ap50',)),
    ('', 'AP50-95', ('ap50_95',)),
    ('AP50 by height of box', 'below 16 px', ('ap50_by_height', '<16')),
    ('AP50 by height of box', '16 to 32 px', ('ap50_by_height', '16-32')),
    ('AP50 by height of box', 'above 32 px', ('ap50_by_height', '>32')),
    ('recall', 'largest, any score', ('max_recall',)),
    ('recall', 'at precision 0.9', ('recall_at_precision_0.9',)),
    ('at score 0.25', 'precision', ('at', '0.25', 'precision')),
    ('at score 0.25', 'recall', ('at', '0.25', 'recall')),
    ('at score 0.25', 'F1', ('at', '0.25', 'f1')),
    ('at score 0.5', 'precision', ('at', '0.5', 'precision')),
    ('at score 0.5', 'recall', ('at', '0.5', 'recall')),
    ('at score 0.5', 'F1', ('at', '0.5', 'f1')),
    ('score', 'of the best F1', ('best_f1_score',)),
)
MASKS = (
    ('drivable', ('drivable',)),
    ('drivable, direct', ('drivable', 'direct')),
    ('lane', ('lane',)),
    ('lane, dilated', ('lane', 'dilated')),
)
MASK_ROWS = (
    ('', 'images', ('images',)),
    ('', 'threshold', ('threshold',)),
    ('', 'IoU', ('iou',)),
    ('', 'IoU of the rest', ('background_iou',)),
    ('', 'mean of both IoUs', ('miou',)),
    ('pixels', 'precision', ('precision',)),
    ('pixels', 'recall', ('recall',)),
    ('pixels', 'F1', ('f1',)),
    ('pixels', 'balanced accuracy', ('balanced_accuracy',)),
    ('IoU by third of the rows', 'far', ('bands', 'far')),
    ('IoU by third of the rows', 'middle', ('bands', 'middle')),
    ('IoU by third of the rows', 'near', ('bands', 'near')),
    ('within the tolerance', 'tolerance in px', ('tolerance', 'px')),
    ('within the tolerance', 'precision', ('tolerance', 'precision')),
    ('within the tolerance', 'recall', ('tolerance', 'recall')),
    ('within the tolerance', 'F1', ('tolerance', 'f1')),
)
NO_SHARES = ('threshold', 'px', 'best_f1_score')
"""Figures that are neither good nor bad."""


@dataclass(frozen=True)
class Cell:
    """A figure as text; a share also as a bar."""

    text: str
    share: float | None
    by_people: bool = False


@dataclass(frozen=True)
class Grid:
    """A table of figures: groups of rows, each row a name and its cells."""

    head: tuple[str, ...]
    groups: tuple[tuple[str, tuple[tuple[str, tuple[Cell, ...]], ...]], ...]


def headline(name: str, protocol: Mapping[str, Any]) -> list[tuple[Column, Cell]]:
    """Return the figures of all images."""
    scores = protocol['all']
    return [(column, _cell(column.value(scores))) for column in columns(name, protocol)]


def slice_grid(name: str, protocol: Mapping[str, Any]) -> Grid:
    """Return the figures of all images, then of each slice."""
    shown = columns(name, protocol)
    groups = {'': {'all images': protocol['all']}, **protocol['slices']}

    def row(scores: Mapping[str, Any]) -> tuple[Cell, ...]:
        figures = (
            _cell(column.value(scores), by_people=drawn_by_people(scores, column.task))
            for column in shown
        )
        return (_cell(scores['images']), *figures)

    return Grid(
        head=('images', *(column.title for column in shown)),
        groups=tuple(
            (group, tuple((value, row(scores)) for value, scores in slices.items()))
            for group, slices in groups.items()
        ),
    )


def detection_grid(scores: Mapping[str, Any]) -> Grid | None:
    """Return all that is known of the boxes of a slice, a column for each label."""
    labels = figure(scores, 'detection', 'labels')
    return labels and _transposed(tuple(labels), tuple(labels.values()), DETECTION_ROWS)


def mask_grid(scores: Mapping[str, Any]) -> Grid | None:
    """Return all that is known of the masks of a slice, a column for each mask."""
    found = {title: figure(scores, *path) for title, path in MASKS}
    found = {title: values for title, values in found.items() if values}
    return _transposed(tuple(found), tuple(found.values()), MASK_ROWS) if found else None


def _transposed(
    head: tuple[str, ...],
    subjects: Sequence[Mapping[str, Any]],
    rows: Iterable[tuple[str, str, tuple[str, ...]]],
) -> Grid:
    """Return one column a subject and one row a figure, without the rows that all of them lack."""
    groups: dict[str, list[tuple[str, tuple[Cell, ...]]]] = {}
    for group, title, path in rows:
        values = [figure(subject, *path) for subject in subjects]
        if any(value is not None for value in values):
            cells = tuple(_plain(v) if path[-1] in NO_SHARES else _cell(v) for v in values)
            groups.setdefault(group, []).append((title, cells))
    return Grid(head, tuple((group, tuple(lines)) for group, lines in groups.items()))


def _cell(value: float | None, *, by_people: bool = False) -> Cell:
    return Cell(number(value), value if isinstance(value, float) else None, by_people)


def _plain(value: float | None) -> Cell:
    return Cell(number(None) if value is None else f'{value:g}', None)
