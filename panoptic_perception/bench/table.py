# SPDX-License-Identifier: Apache-2.0
"""Print a report as aligned columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from panoptic_perception.bench.report import STAGES

Entry = Mapping[str, Any]

_RAN: dict[str, Callable[[Entry], str]] = {
    'model': lambda row: row['asked']['name'],
    'engine': lambda row: row['engine'],
    'provider': lambda row: _provider(row),
    'precision': lambda row: row['precision'],
    'threads': lambda row: str(row['threads']),
}
_FRAME_COLUMNS = _RAN | {
    'wall ms': lambda row: f'{row["wall_ms"]["median"]:.1f}',
    'CPU ms': lambda row: f'{row["cpu_ms"]["median"]:.1f}',
    'wall ratio': lambda row: _ratio(row['wall_ratio']),
    'CPU ratio': lambda row: _ratio(row['cpu_ratio']),
    'network CPU ms': lambda row: f'{row["network_cpu_ms"]["median"]:.1f}',
    'x roof': lambda row: _number(row['times_roof'], 2),
    'peak MB': lambda row: _number(row['peak_mb'], 0),
    'first s': lambda row: f'{row["first_result_s"]:.2f}',
    '/'.join(STAGES): lambda row: '/'.join(f'{row["shares"][stage]:.0%}' for stage in STAGES),
}
_STREAM_COLUMNS = _RAN | {
    'offered': lambda row: str(row['offered']),
    'answered': lambda row: str(row['answered']),
    'dropped': lambda row: str(row['dropped']),
    'p50 ms': lambda row: f'{row["p50_ms"]:.1f}',
    'p95 ms': lambda row: f'{row["p95_ms"]:.1f}',
    'p99 ms': lambda row: f'{row["p99_ms"]:.1f}',
    'CPU cores': lambda row: f'{row["cpu_cores"]:.2f}',
}


def report_lines(report: Entry) -> list[str]:
    """Return the lines that show a report of `panoptic bench`."""
    columns = _STREAM_COLUMNS if 'stream' in report else _FRAME_COLUMNS
    rows = [[cell(row) for cell in columns.values()] for row in report['rows']]
    return [
        *_machine_lines(report),
        '',
        *(align([list(columns), *rows]) if rows else []),
        *(f'not measured: {entry["case"]}: {entry["reason"]}' for entry in report['missing']),
        *(f'{_ran(row)}: {row["note"]}' for row in report['rows'] if row['note']),
        *_roof_lines(report),
        *_fastest_lines(report),
    ]


def align(cells: Sequence[Sequence[str]]) -> list[str]:
    """Return lines with each column as wide as its widest cell, numbers to the right."""
    columns = list(zip(*cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    texts = len(_RAN) - 1
    return [
        '  '.join(
            cell.ljust(width) if index < texts else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]


def _machine_lines(report: Entry) -> list[str]:
    machine = report['machine']
    before, after = machine['load_average'][0], report['load_average_after'][0]
    parts = [
        ' '.join((machine['cpu'], *machine['features'])),
        *([machine['gpu']] if machine['gpu'] else []),
        f'{machine["cores"]} cores',
        *([f'governor {machine["governor"]}'] if machine['governor'] else []),
        f'load {before:.1f} before, {after:.1f} after',
    ]
    versions = ', '.join(f'{name} {number}' for name, number in machine['versions'].items())
    return [', '.join(parts), versions, report['what']]


def _roof_lines(report: Entry) -> list[str]:
    """Return the roofs, and the work of each model that they are held against."""
    if not report.get('roofs'):
        return []
    roofs = [_roof(roof, report['roofs']) for roof in report['roofs']]
    models = {row['asked']['name']: row['gmac'] for row in report['rows']}
    work = [f'{name} {_number(gmac, 2)}' for name, gmac in models.items()]
    return [
        f'roof of one core (or the GPU) in GMAC/s: {", ".join(roofs)};'
        f' GMAC of a frame: {", ".join(work)}'
    ]


def _fastest_lines(report: Entry) -> list[str]:
    """Return the quickest row of each model, for frames."""
    if 'stream' in report:
        return []
    best: dict[str, Entry] = {}
    for row in sorted(report['rows'], key=lambda row: row['wall_ratio']['median']):
        best.setdefault(row['asked']['name'], row)
    return [
        f'fastest here: {_ran(row)} in {row["wall_ratio"]["median"]:.2f} of the first row'
        for row in best.values()
    ]


def _roof(roof: Entry, roofs: Sequence[Entry]) -> str:
    """Return a roof by its engine and precision, and its provider where they leave it open."""
    names = [(other['engine'], other['precision']) for other in roofs]
    several = names.count((roof['engine'], roof['precision'])) > 1
    provider = [_provider(roof)] if several else []
    return ' '.join((roof['engine'], *provider, roof['precision'], f'{roof["gmac_per_s"]:.0f}'))


def _provider(row: Entry) -> str:
    return row['provider'].removesuffix('ExecutionProvider')


def _ran(row: Entry) -> str:
    return ' '.join(cell(row) for cell in _RAN.values())


def _ratio(found: Mapping[str, float]) -> str:
    return f'{found["median"]:.2f} ({found["q1"]:.2f}-{found["q3"]:.2f})'


def _number(value: float | None, digits: int) -> str:
    return '-' if value is None else f'{value:.{digits}f}'
