# SPDX-License-Identifier: Apache-2.0
"""The comparison as a page of Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tabulate import tabulate

from model_tools.evaluation.report.columns import number, setting


def markdown(table: Mapping[str, Any]) -> str:
    """Return the page for what `compare` found."""
    data, timing, rows = table['data'], table['timing'], table['rows']
    parts = [
        '# Public networks through our evaluator',
        f'Data `{data["name"]}`, split {data["split"]}, {data["images"]} images; protocol '
        f'`{table["protocol"]}`{_settings(table["settings_asked_for"])}. Each NAME.json holds all '
        'settings and scores of its row; table.json holds this page as data.',
        '## Scores',
        *(part for name in rows[0]['scores'] for part in _slice(name, rows)),
        '## Time for one image',
        f'Medians over {timing["images"]} images, {timing["threads"]} thread(s), all networks in '
        'turn on each image. Network: without fitting and decoding; the graph of a model file '
        'holds both but for the letterbox. Ratio: CPU time of the whole against the first row, '
        'image by image, with quartiles: it holds on a busy machine, the times do not.',
        _times(rows),
        '![Scores on all images against time, filled where no other is faster and better]'
        '(pareto.png)',
        _machine(table['machine']),
        '## Networks',
        _networks(rows),
        '## What the figures do not say',
        '\n'.join(f'* {sentence}' for sentence in table['caveats']),
    ]
    return '\n\n'.join(parts) + '\n'


def _settings(settings: Mapping[str, Any]) -> str:
    changed = ', '.join(f'`{name}={setting(value)}`' for name, value in settings.items())
    return f' with {changed}' if changed else ''


def _slice(name: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    scores = [row['scores'][name] for row in rows]
    labels = list(dict.fromkeys(label for s in scores for label in s['ap50']))
    headers = ['model', *(f'{k} AP50' for k in labels), 'drivable IoU', 'lane IoU']
    body = [
        [
            row['name'],
            *(number(s['ap50'].get(label)) for label in labels),
            number(s['drivable_iou']),
            number(s['lane_iou']),
        ]
        for row, s in zip(rows, scores, strict=True)
    ]
    title = 'All images' if name == 'all' else f'Source {name}'
    origins = '; '.join(
        f'{task} {", ".join(how) or "none"}' for task, how in scores[0]['labels'].items()
    )
    return [f'{title} ({scores[0]["images"]}). Labels: {origins}.', _table(headers, body)]


def _times(rows: Iterable[Mapping[str, Any]]) -> str:
    headers = ['model', 'whole wall ms', 'CPU ms', 'network wall ms', 'CPU ms', 'CPU ratio']
    body = []
    for row in rows:
        whole, network = row['times']['whole'], row['times']['network']
        ratio = row['times']['cpu_ratio']
        low, high = ratio['quartiles']
        times = [whole['wall_ms'], whole['cpu_ms'], network['wall_ms'], network['cpu_ms']]
        spread = f'{ratio["median"]:.2f} ({low:.2f} to {high:.2f})'
        body.append([row['name'], *(f'{t:.1f}' for t in times), spread])
    return _table(headers, body)


def _machine(machine: Mapping[str, Any]) -> str:
    load = ', '.join(str(value) for value in machine['load_average'])
    versions = ', '.join(f'{name} {version}' for name, version in machine['versions'].items())
    return (
        f'{machine["cpu"]}, {machine["cores"]} core(s), load average {load} before the timing; '
        f'{machine["system"]}; {versions}.'
    )


def _networks(rows: Iterable[Mapping[str, Any]]) -> str:
    headers = ['model', 'parameters M', 'input', 'engine', 'sha256', 'origin']
    body = []
    for row in rows:
        model = row['model']
        engine = model['engine']
        runs = f'{engine["engine"]} {engine["precision"]}'
        facts = [model['input'], runs, model['sha256'][:12], model['origin'] or model['kind']]
        body.append([row['name'], f'{row["parameters_m"]:.3f}', *facts])
    return _table(headers, body, words=4)


def _table(headers: Sequence[str], body: Sequence[Sequence[str]], *, words: int = 0) -> str:
    """Return a table of names on the left, figures, and `words` columns of text."""
    align = ['left', *['right'] * (len(headers) - 1 - words), *['left'] * words]
    return tabulate(body, headers, tablefmt='github', colalign=align, disable_numparse=True)
