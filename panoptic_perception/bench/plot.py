# SPDX-License-Identifier: Apache-2.0
"""Draw a report: where the time of each row goes, and the roof that it is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from panoptic_perception.bench.report import STAGES

_COLOURS = {'before': 'C0', 'network': 'C1', 'after': 'C2', 'around it': 'C2'}


def draw_report(report: Mapping[str, Any], out: Path) -> None:
    """Draw the median milliseconds of each row, by the wall's clock and the processor's."""
    rows = report['rows']
    figure = Figure(figsize=(11, 1.6 + 0.4 * len(rows)), layout='constrained')
    wall, cpu = figure.subplots(1, 2, sharey=True)
    before, network, after = ([row['stages_ms'][stage] for row in rows] for stage in STAGES[1:])
    _draw_bars(wall, 'wall', rows, {'before': before, 'network': network, 'after': after})
    whole = [row['cpu_ms']['median'] for row in rows]
    network = [row['network_cpu_ms']['median'] for row in rows]
    around = [all_ - part for all_, part in zip(whole, network, strict=True)]
    _draw_bars(cpu, 'CPU', rows, {'network': network, 'around it': around})
    wall.set_yticks(range(len(rows)), [_name(row) for row in rows])
    wall.invert_yaxis()
    figure.suptitle(report['machine']['cpu'])
    figure.savefig(out, dpi=100)


def _draw_bars(
    axes: Axes, clock: str, rows: Sequence[Mapping[str, Any]], parts: Mapping[str, list[float]]
) -> None:
    """Stack the parts, and mark the roof where it was held against this clock."""
    left = [0.0] * len(rows)
    for name, widths in parts.items():
        axes.barh(range(len(rows)), widths, left=left, label=name, color=_COLOURS[name])
        left = [start + width for start, width in zip(left, widths, strict=True)]
    marked = [(i, row['roof_ms']) for i, row in enumerate(rows) if row['roof_clock'] == clock]
    for place, roof_ms in marked:
        if roof_ms is not None:
            axes.vlines(roof_ms, place - 0.4, place + 0.4, colors='k', label='roof of the network')
    labels = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    above = {'loc': 'lower center', 'bbox_to_anchor': (0.5, 1.0), 'ncols': len(labels)}
    axes.legend(labels.values(), labels.keys(), fontsize=8, frameon=False, **above)
    axes.set(xlabel=f'{clock} ms of a frame, median')
    axes.grid(axis='x', alpha=0.3)


def _name(row: Mapping[str, Any]) -> str:
    return f'{row["asked"]["name"]} {row["engine"]} {row["precision"]} threads={row["threads"]}'
