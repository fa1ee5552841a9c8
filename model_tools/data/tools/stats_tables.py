# SPDX-License-Identifier: Apache-2.0
"""Show the statistics of a data set as tables of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

_SHOWN = 8  # values of an attribute


def stats_tables(stats: dict[str, Any]) -> str:
    """Return the tables: images, objects, masks and attributes of each split."""
    splits = stats['splits']
    return '\n\n'.join(
        [
            _table(
                ['split', 'images', 'skipped', 'groups', 'sizes', 'boxes', 'incomplete',
                 'drivable', 'lane', 'boxes an image'],
                [_image_row(split, values) for split, values in splits.items()],
            ),
            _table(
                ['split', 'label', 'boxes', 'crowd', 'images', '<16 px', '16-32', '>32 px',
                 'median px'],
                [
                    _object_row(split, label, values)
                    for split, of in splits.items()
                    for label, values in of['objects'].items()
                ],
            ),
            _table(
                ['split', 'mask', 'images', 'class (of known)', 'ignored'],
                [
                    _mask_row(split, task, values)
                    for split, of in splits.items()
                    for task, values in of['masks'].items()
                ],
            ),
            _table(['attribute', 'value', *splits], _attribute_rows(list(splits.values()))),
            *stats['damage'],
            *(
                f'{split}: {count} {kind}'
                for split, of in splits.items()
                for key in ('skipped_by_kind', 'dropped_objects')
                for kind, count in of['problems'][key].items()
            ),
        ]
    )  # fmt: skip


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return tabulate(rows, head, missingval='-', disable_numparse=True, colalign=_align(head, rows))


def _align(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Set words to the left, and the columns of numbers behind them to the right."""
    words = 2 if head[1] in ('label', 'mask', 'value') else 1
    return ['left'] * words + ['right'] * (len(head) - words) if rows else []


def _image_row(split: str, values: dict[str, Any]) -> list[object]:
    labelled, images = values['labelled'], values['images']
    sizes = [f'{size} ({count})' for size, count in values['image_sizes'].items()]
    return [
        split,
        images,
        values['problems']['skipped'],
        values['groups'],
        '\n'.join(sizes[:_SHOWN]),
        *(_percent(n / images if images else None) for n in labelled.values()),
        _number(values['boxes_an_image']['mean']),
    ]


def _object_row(split: str, label: str, values: dict[str, Any]) -> list[object]:
    return [
        split,
        label,
        values['boxes'],
        values['crowd'],
        values['images'],
        *values['by_height'].values(),
        _number(values['height_px']['median']),
    ]


def _mask_row(split: str, task: str, values: dict[str, Any]) -> list[object]:
    means = (_percent(values[key]['mean']) for key in ('class', 'ignore'))
    return [split, task, values['images'], *means]


def _attribute_rows(splits: Sequence[dict[str, Any]]) -> list[list[object]]:
    """Return a row for each value of each attribute, the most common first, with its shares."""
    rows: list[list[object]] = []
    for key in dict.fromkeys(key for split in splits for key in split['attributes']):
        counts = [split['attributes'].get(key, {}) for split in splits]
        total = sum((Counter(c) for c in counts), Counter[str]())
        values = [value for value, _ in total.most_common()]
        if values == ['unknown']:
            continue
        for value in values[:_SHOWN]:
            shares = (
                c.get(value, 0) / split['images'] if split['images'] else None
                for c, split in zip(counts, splits, strict=True)
            )
            rows.append([key, value, *map(_percent, shares)])
        if len(values) > _SHOWN:
            rows.append([key, f'... and {len(values) - _SHOWN} more'])
    return rows


def _percent(share: float | None) -> str | None:
    return None if share is None else f'{share:.1%}'


def _number(value: float | None) -> str | None:
    return None if value is None else f'{value:.1f}'
