# SPDX-License-Identifier: Apache-2.0
"""Tables and a plot of a comparison of compressions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tabulate import tabulate

from model_tools.compression.gate import task_of

DELTA_M = 'delta_m %'
STAGES = {
    'pruned': 'On val, pruned and recalibrated:',
    'holdout_pruned': 'On the hold-out, pruned and recalibrated:',
    'holdout': 'On the hold-out, tuned:',
}
"""Further scores of a row, of the last round, with the headings of their tables."""
PANEL_INCHES = 2.1
LABEL_INCHES = 3.0
ROW_INCHES = 0.24


def delta_m(scores: Mapping[str, float], reference: Mapping[str, float]) -> float:
    """
    Return by how many percent the tasks are better than those of `reference`, their mean.

    Maninis et al., Attentive Single-Tasking of Multiple Tasks, CVPR 2019, equation 4, where the
    change of a task is the mean of those of its scores. A score that `scores` lacks counts as 0;
    those that are 0 in `reference` do not count.
    """
    changes: dict[str, list[float]] = {}
    for name, known in reference.items():
        if known > 0:
            changes.setdefault(task_of(name), []).append(scores.get(name, 0.0) / known - 1)
    return 100 * mean(mean(values) for values in changes.values())


def joined(several: Iterable[Mapping[str, float]]) -> dict[str, list[float]]:
    """Return lists of the values by name."""
    lists: dict[str, list[float]] = {}
    for values in several:
        for name, value in values.items():
            lists.setdefault(name, []).append(value)
    return lists


def tables(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows' costs and scores, and what is known of them at other stages."""
    parts = ['On val:', table(rows, 'costs', 'scores')]
    for kind, heading in STAGES.items():
        if scored := [row for row in rows if row[kind]]:
            parts += [heading, table(scored, kind)]
    return '\n\n'.join(parts) + '\n'


def table(rows: Sequence[Mapping[str, Any]], *kinds: str) -> str:
    """Return means over the seeds, with half the range where there are several."""
    columns = [{name: v for kind in kinds for name, v in row[kind].items()} for row in rows]
    names = list(dict.fromkeys(name for values in columns for name in values))
    lines = [
        [row['variant'], len(row['seeds']), *(_spread(values.get(name, [])) for name in names)]
        for row, values in zip(rows, columns, strict=True)
    ]
    return tabulate(lines, ['variant', 'seeds', *names], tablefmt='github', disable_numparse=True)


def draw(rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    """
    Draw a panel for each score, with a dot for each seed and a line for the mean, into a PNG.

    The first row is what the others are compared with, a dashed line.
    """
    reference, *students = rows
    names = [DELTA_M, *reference['scores']]
    figure = Figure(
        figsize=(LABEL_INCHES + PANEL_INCHES * len(names), 1 + ROW_INCHES * len(students)),
        layout='constrained',
    )
    panels = figure.subplots(1, len(names), sharey=True)
    for axes, name in zip(panels, names, strict=True):
        _draw_panel(axes, [row['scores'].get(name, []) for row in students])
        axes.axvline(mean(reference['scores'].get(name, [0])), color='0.4', ls='--', lw=1)
        axes.set_title(name, fontsize=9)
    panels[0].set_yticks(range(len(students)), [row['variant'] for row in students])
    panels[0].set_ylim(len(students) - 0.5, -0.5)
    figure.savefig(out, dpi=100, format='png')


def _draw_panel(axes: Axes, rows: Sequence[Sequence[float]]) -> None:
    for place, values in enumerate(rows):
        axes.plot(values, [place] * len(values), 'o', color='C0', alpha=0.6, markersize=5)
        if values:
            axes.plot([mean(values)] * 2, [place - 0.35, place + 0.35], color='C0')
    axes.tick_params(labelsize=8)
    axes.locator_params(axis='x', nbins=4)
    axes.grid(alpha=0.3)


def _spread(values: Sequence[float]) -> str:
    if not values:
        return '-'
    half = (max(values) - min(values)) / 2
    return f'{mean(values):.3f}' + (f' ± {half:.3f}' if len(values) > 1 else '')
