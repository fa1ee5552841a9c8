# SPDX-License-Identifier: Apache-2.0
"""Plot what networks score against the time they take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

PANEL_INCHES = (4.0, 3.4)
LEGEND_INCHES = 2.0
COLUMNS = 3


def draw_pareto(rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Draw a panel for each score of the rows of a comparison's table into a PNG.

    Points on the front are filled. Networks lie so close that only a legend can name them.
    """
    panels = _panels(rows)
    lines = max(1, -(-len(panels) // COLUMNS))
    figure = Figure(
        figsize=(COLUMNS * PANEL_INCHES[0] + LEGEND_INCHES, lines * PANEL_INCHES[1]),
        layout='constrained',
    )
    styles = dict(zip([row['name'] for row in rows], _styles(), strict=False))
    grid = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    for axes, (name, points) in zip(grid, panels.items(), strict=False):
        _draw_panel(axes, name, points, styles)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    shown = dict.fromkeys(name for points in panels.values() for name in points)
    if shown:
        handles = [Line2D([], [], linestyle='', **styles[name]) for name in shown]
        figure.legend(handles, list(shown), loc='outside right upper', fontsize=8)
    figure.savefig(out, dpi=100, format='png')


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the indices of points (ms, score) that no other beats in both, fastest first."""
    front: list[int] = []
    for i in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if not front or points[i][1] > points[front[-1]][1]:
            front.append(i)
    return front


def _panels(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, tuple[float, float]]]:
    """Return for each score that any row has: milliseconds and score by the row's name."""
    panels: dict[str, dict[str, tuple[float, float]]] = {}
    for row in rows:
        scores, ms = row['scores']['all'], row['times']['network']['cpu_ms']
        values = {f'{label} AP50': ap for label, ap in scores['ap50'].items()}
        values |= {f'{task} IoU': scores[f'{task}_iou'] for task in ('drivable', 'lane')}
        for name, value in values.items():
            if value is not None:
                panels.setdefault(name, {})[row['name']] = (ms, value)
    return panels


def _styles() -> Iterator[dict[str, Any]]:
    """Return colours and shapes of points, no two alike for a long time."""
    for shape, colour in zip(cycle('os^Dv'), cycle(f'C{i}' for i in range(9)), strict=False):
        yield {'marker': shape, 'color': colour, 'markersize': 6}


def _draw_panel(
    axes: Axes,
    name: str,
    points: Mapping[str, tuple[float, float]],
    styles: Mapping[str, Mapping[str, Any]],
) -> None:
    ms, scores = zip(*points.values(), strict=True)
    front = pareto_front(list(points.values()))
    axes.step([ms[i] for i in front], [scores[i] for i in front], where='post', color='0.7')
    for i, (label, point) in enumerate(points.items()):
        fill = 'full' if i in front else 'none'
        axes.plot(*point, linestyle='', fillstyle=fill, **styles[label])
    axes.set(title=name, xlabel='CPU ms of the network', xscale='log')
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter('{x:g}')
    axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(0.1, 0.1)
    axes.grid(alpha=0.3)
