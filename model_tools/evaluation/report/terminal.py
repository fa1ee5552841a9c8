# SPDX-License-Identifier: Apache-2.0
"""An evaluation record as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabulate import tabulate

from model_tools.evaluation.report.columns import columns, number, setting


def table(record: Mapping[str, Any]) -> str:
    """Return one table a protocol, for all images and by source, and what they rest on."""
    model, data = record['model'], record['data']
    sha256 = f' {model["sha256"][:12]}' if model.get('sha256') else ''
    head = f'{model["name"]}{sha256} on {data["name"]}, {data["split"]}: {data["images"]} images'
    parts = [head, *(_protocol(name, p) for name, p in record['protocols'].items()), _labels(data)]
    return _printable('\n\n'.join(parts))


def _protocol(name: str, protocol: Mapping[str, Any]) -> str:
    shown = columns(name, protocol)
    slices = {'all': protocol['all'], **protocol['slices'].get('source', {})}
    body = tabulate(
        [
            [source, scores['images'], *(number(column.value(scores)) for column in shown)]
            for source, scores in slices.items()
        ],
        headers=['source', 'images', *(f'{c.subject}\n{c.measure}' for c in shown)],
        colalign=['left', *['right'] * (len(shown) + 1)],
        disable_numparse=True,
    )
    overrides = [
        f'  {key} = {setting(o["used"])} instead of {setting(o["protocol"])}: {o["why"]}'
        for key, o in protocol['overrides'].items()
    ]
    return '\n'.join([f'protocol {name}', body, *(['overridden:', *overrides] * bool(overrides))])


def _labels(data: Mapping[str, Any]) -> str:
    sources = ', '.join(f'{task} from {how}' for task, how in data['label_sources'].items())
    problems = data['problems']
    lines = [f'labels: {sources}']
    if problems.get('skipped'):
        lines.append(
            f'skipped: {problems["skipped"]} of {problems["images"]} images'
            f' ({_counts(problems["skipped_by_kind"])})'
        )
    if problems.get('dropped_objects'):
        lines.append(f'dropped objects: {_counts(problems["dropped_objects"])}')
    return '\n'.join(lines)


def _counts(kinds: Mapping[str, int]) -> str:
    return ', '.join(f'{count} {kind}' for kind, count in kinds.items())


def _printable(text: str) -> str:
    """Replace what would move the cursor: names come from the data."""
    return ''.join(
        c if c.isprintable() or c == '\n' else '\N{REPLACEMENT CHARACTER}' for c in text
    )
