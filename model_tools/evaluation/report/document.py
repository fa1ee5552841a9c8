# SPDX-License-Identifier: Apache-2.0
"""Tables of measured figures that documents quote, and the one of an evaluation record."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_tools.evaluation.report.columns import columns, drawn_by_people, number, setting
from panoptic_perception.core.files import write_whole

PROTOCOL = 'dataset'
SCHEMA = 1


class DocumentError(ValueError):
    """A record cannot be quoted, or a document does not quote it."""


def read_record(path: Path) -> dict[str, Any]:
    """Return an evaluation record that holds what documents quote."""
    try:
        record = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise DocumentError(f"'{path}' is no JSON file ({error}); evaluate again") from error
    found = record.get('schema') if isinstance(record, dict) else None
    if found != SCHEMA:
        raise DocumentError(
            f"'{path}' is expected to be an evaluation record of schema {SCHEMA}, found {found};"
            ' evaluate again'
        )
    protocols = list(record.get('protocols', ()))
    if PROTOCOL not in protocols:
        raise DocumentError(
            f"'{path}' holds the protocols {protocols}, documents quote '{PROTOCOL}';"
            ' evaluate with it'
        )
    return record


def documented_table(record: Mapping[str, Any]) -> str:
    """Return the scores by source as Markdown; bold against labels that people drew alone."""
    protocol = record['protocols'][PROTOCOL]
    shown = columns(PROTOCOL, protocol)
    slices = protocol['slices'].get('source') or {'all': protocol['all']}
    head = [
        f'{record["data"]["split"]} images, protocol `{PROTOCOL}`',
        'n',
        *(column.title for column in shown),
    ]
    rows = [head, ['---'] * len(head)]
    for source, scores in slices.items():
        figures = (
            _figure(column.value(scores), bold=drawn_by_people(scores, column.task))
            for column in shown
        )
        rows.append([source, number(scores['images']), *figures])
    lines = [f'| {" | ".join(map(_cell, row))} |' for row in rows]
    notes = ['Bold figures are measured against labels drawn by people; the others are not.']
    notes += [
        f'`{key}` is {setting(o["used"])} where the protocol has {setting(o["protocol"])}:'
        f' {_cell(o["why"])}.'
        for key, o in protocol['overrides'].items()
    ]
    return '\n'.join([*lines, '', *notes])


def updated(text: str, table: str, where: str, *, marker: str = 'scores') -> str:
    """Return a document with the table between its markers; `where` names it in errors."""
    begin, end = f'<!-- {marker} -->', f'<!-- /{marker} -->'
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise DocumentError(
            f"'{where}' needs one line '{begin}' and, below it, one line '{end}';"
            ' add them where the table belongs'
        )
    before, rest = text.split(begin)
    return f'{before}{begin}\n{table}\n{end}{rest.split(end)[1]}'


def check(path: Path, table: str, *, marker: str = 'scores') -> None:
    """Raise DocumentError if a document does not hold the table."""
    text = path.read_text(encoding='utf-8')
    if updated(text, table, str(path), marker=marker) != text:
        raise DocumentError(
            f"'{path}' does not quote the {marker} of the record; run `model_tools document "
            '--write`'
        )


def write(path: Path, table: str, *, marker: str = 'scores') -> None:
    """Put the table into a document."""
    text = path.read_text(encoding='utf-8')
    write_whole(path, updated(text, table, str(path), marker=marker).encode())


def _figure(value: float | None, *, bold: bool) -> str:
    text = number(value)
    return f'**{text}**' if bold and value is not None else text


def _cell(text: str) -> str:
    """Escape what would end a table cell, a line or a marker: names come from the data."""
    return re.sub(r'\s', ' ', text).replace('|', r'\|').replace('<', '&lt;')
