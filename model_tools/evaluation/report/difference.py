# SPDX-License-Identifier: Apache-2.0
"""What one network scores against another, on all images and where they differ most."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tabulate import tabulate

from model_tools.evaluation.report.columns import Column, columns, figure
from model_tools.evaluation.report.document import PROTOCOL, DocumentError

Value = Callable[[Mapping[str, Any], Column], float | None]


def difference_table(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """
    Return a Markdown table of the scores of `after`, with their distances from `before`.

    The rows are all images, every slice, boxes by their height and lane lines by image rows.

    Raises:
        DocumentError: The records are of other images or settings.
    """
    _check_alike(before, after)
    parts = [record['protocols'][PROTOCOL] for record in (before, after)]
    shown = columns(PROTOCOL, parts[0])
    rows = [_row('all', parts[0]['all'], parts[1]['all'], shown, _score)]
    for key, values in parts[0]['slices'].items():
        for name, part in values.items():
            other = parts[1]['slices'][key][name]
            rows.append(_row(f'{key} {name} ({part["images"]})', part, other, shown, _score))
    whole, other = (part['all'] for part in parts)
    for height in _keys(whole, shown, 'ap50_by_height'):
        rows.append(_row(f'boxes {height} px high', whole, other, shown, _of_height(height)))
    for band in figure(whole, 'lane', 'bands') or ():
        rows.append(_row(f'{band} rows', whole, other, shown, _of_band(band)))
    return tabulate(
        rows, ['images', *(c.title for c in shown)], tablefmt='github', disable_numparse=True
    )


def _check_alike(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    facts = [_facts(record) for record in (before, after)]
    if wrong := [key for key in facts[0] if facts[0][key] != facts[1][key]]:
        told = '; '.join(f'{k}: {facts[0][k]} and {facts[1][k]}' for k in wrong)
        raise DocumentError(f'the records are not of the same evaluation: {told}; evaluate alike')


def _facts(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two records must have in common."""
    protocol = record['protocols'][PROTOCOL]
    settings = protocol['settings']
    return {
        'data': record['data']['name'],
        'split': record['data']['split'],
        'images': record['data']['images'],
        # Thresholds belong to a network, and so does its input.
        **{k: v for k, v in settings.items() if 'threshold' not in k and k != 'geometry'},
        'slices': {
            key: {name: part['images'] for name, part in values.items()}
            for key, values in protocol['slices'].items()
        },
    }


def _row(
    title: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    shown: list[Column],
    value: Value,
) -> list[str]:
    pairs = [(value(before, column), value(after, column)) for column in shown]
    return [
        title,
        *('-' if a is None or b is None else f'{b:.3f} ({b - a:+.3f})' for a, b in pairs),
    ]


def _score(part: Mapping[str, Any], column: Column) -> float | None:
    return column.value(part)


def _of_height(height: str) -> Value:
    return lambda part, column: (
        figure(part, *_label(column), 'ap50_by_height', height)
        if column.task == 'detection'
        else None
    )


def _of_band(band: str) -> Value:
    return lambda part, column: (
        figure(part, 'lane', 'bands', band) if column.task == 'lane' else None
    )


def _keys(part: Mapping[str, Any], shown: list[Column], name: str) -> list[str]:
    """Return the keys that the labels have in common, such as heights of boxes."""
    boxes = [column for column in shown if column.task == 'detection']
    return list(figure(part, *_label(boxes[0]), name) or ()) if boxes else []


def _label(column: Column) -> tuple[str, ...]:
    return (column.task, *column.path[:2])
