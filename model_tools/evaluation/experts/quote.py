# SPDX-License-Identifier: Apache-2.0
"""The table of networks that the README quotes from a comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from model_tools.evaluation.report.columns import number
from model_tools.evaluation.report.document import DocumentError

SCHEMA = 1


def read_comparison(path: Path) -> dict[str, Any]:
    """Return the table.json of a comparison."""
    try:
        table = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise DocumentError(f"'{path}' is no JSON file ({error}); compare again") from error
    if not isinstance(table, dict) or table.get('schema') != SCHEMA or not table.get('rows'):
        raise DocumentError(
            f"'{path}' is expected to be the table of `model_tools experts`, schema {SCHEMA}; "
            'compare again'
        )
    return table


def quoted_comparison(table: Mapping[str, Any], networks: Sequence[str] = ()) -> str:
    """Return scores and time of networks as Markdown, on the images with drawn boxes.

    Args:
        table: The comparison.
        networks: Names of its rows, in the order to quote them; empty for all.

    Raises:
        DocumentError: The comparison has no network of that name.
    """
    named = {row['name']: row for row in table['rows']}
    if unknown := [name for name in networks if name not in named]:
        raise DocumentError(
            f'the comparison has no network {", ".join(unknown)}; expected some of '
            f'{", ".join(named)}'
        )
    rows = [named[name] for name in networks or named]
    source = _with_drawn_boxes(rows[0]['scores'])
    scores = [row['scores'][source] for row in rows]
    labels = list(dict.fromkeys(label for s in scores for label in s['ap50']))
    head = [
        f'{scores[0]["images"]} images, {source}',
        *(f'{label} AP50' for label in labels),
        'drivable IoU',
        'lane IoU',
        'network CPU ms',
    ]
    body = [
        [
            row['name'],
            *(number(s['ap50'].get(label)) for label in labels),
            number(s['drivable_iou']),
            number(s['lane_iou']),
            f'{row["times"]["network"]["cpu_ms"]:.0f}',
        ]
        for row, s in zip(rows, scores, strict=True)
    ]
    return tabulate(body, head, tablefmt='github', disable_numparse=True)


def _with_drawn_boxes(scores: Mapping[str, Any]) -> str:
    """Return the first source whose boxes people drew; all images if there is none."""
    drawn = (name for name, part in scores.items() if part['labels']['boxes'] == ['real'])
    return next(drawn, 'all')
