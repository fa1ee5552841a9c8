# SPDX-License-Identifier: Apache-2.0
"""Curves of a record as SVG that takes its colours and fonts from the page around it."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

CURVE_INCHES = (3.9, 3.3)
BINS_INCHES = (2.7, 3.2)

# Colours are stand-ins that become the page's: so a plot is legible on light and on dark paper.
_INK, _QUIET = '#010101', '#020202'
_SERIES = ('#010203', '#010204', '#010205', '#010206', '#010207', '#010208')
_PAGE_COLOURS = {
    _INK: 'currentColor',
    _QUIET: 'var(--quiet)',
    **{colour: f'var(--series-{i})' for i, colour in enumerate(_SERIES, 1)},
}
_CLEANING = (
    (r'<metadata>.*?</metadata>\s*', ''),
    (r'<style.*?</style>\s*', ''),  # its rules would reach the whole page
    (r'<!--.*?-->\s*', ''),
    (r'<g id="[^"]*"', '<g'),
    (r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r'\1'),
)
_STYLE = {
    'svg.fonttype': 'none',
    'font.size': 9,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.linewidth': 0.6,
    'lines.linewidth': 1.5,
    'legend.frameon': False,
    'axes.edgecolor': _QUIET,
    'axes.labelcolor': _QUIET,
    'xtick.color': _QUIET,
    'ytick.color': _QUIET,
}


def precision_recall(curves: Mapping[str, Any], score: float | None) -> str:
    """Draw precision over recall, a line for each label and a dot at the score in use."""
    with matplotlib.rc_context(_style('precision_recall', parse_math=False)):
        figure = Figure(figsize=CURVE_INCHES, layout='constrained')
        axes = figure.subplots()
        for (label, curve), colour in zip(curves.items(), itertools.cycle(_SERIES), strict=False):
            axes.plot(curve['recall'], curve['precision'], color=colour, label=label)
            kept = [i for i, s in enumerate(curve['score']) if score is not None and s >= score]
            if kept:
                dot = curve['recall'][kept[-1]], curve['precision'][kept[-1]]
                axes.plot(*dot, 'o', color=colour, markersize=5)
        _unit_axes(axes, x='recall', y='precision')
        _legend(figure)
        return _svg(figure)


def reliability(name: str, bins: Mapping[str, Sequence[Any]]) -> str:
    """Draw how often an answer is right over how sure it is, and how many answers there are."""
    filled = [i for i, count in enumerate(bins['count']) if count]
    confidence = [bins['confidence'][i] for i in filled]
    with matplotlib.rc_context(_style(f'reliability {name}')):
        figure = Figure(figsize=BINS_INCHES, layout='constrained')
        upper, lower = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
        upper.plot([0, 1], [0, 1], color=_QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
        accuracy = [bins['accuracy'][i] for i in filled]
        upper.plot(confidence, accuracy, 'o-', color=_SERIES[0], markersize=3.5)
        _unit_axes(upper, x='', y='share right')
        width = 1 / len(bins['count'])
        centres = [(i + 0.5) * width for i in filled]
        counts = [bins['count'][i] for i in filled]
        lower.bar(centres, counts, width * 0.85, color=_QUIET, alpha=0.5)
        lower.set(yscale='log', xlabel='confidence', ylabel='count')
        lower.set_ylim(bottom=0.5)
        lower.minorticks_off()
        return _svg(figure)


def threshold_sweep(task: str, sweep: Mapping[str, Sequence[Any]], used: float) -> str:
    """Draw IoU, precision and recall of a mask over its threshold, the one in use marked."""
    with matplotlib.rc_context(_style(f'sweep {task}')):
        figure = Figure(figsize=CURVE_INCHES, layout='constrained')
        axes = figure.subplots()
        axes.axvline(used, color=_QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
        for key, name, colour in zip(
            ('iou', 'precision', 'recall'), ('IoU', 'precision', 'recall'), _SERIES, strict=False
        ):
            values = [float('nan') if v is None else v for v in sweep[key]]
            axes.plot(sweep['threshold'], values, color=colour, label=name)
        _unit_axes(axes, x='threshold', y='')
        _legend(figure)
        return _svg(figure)


def _style(name: str, *, parse_math: bool = True) -> dict[str, Any]:
    """Return the settings of a plot; its name keeps its element ids apart from other plots'."""
    return {**_STYLE, 'svg.hashsalt': name, 'text.parse_math': parse_math}


def _unit_axes(axes: Axes, *, x: str, y: str) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=x, ylabel=y)
    axes.grid(color=_QUIET, alpha=0.2, linewidth=0.5)


def _legend(figure: Figure) -> None:
    figure.legend(loc='outside upper left', ncols=3, labelcolor=_INK, columnspacing=1.2)


def _svg(figure: Figure) -> str:
    """Return the figure as an SVG element: without date, size or names that could clash."""
    text = io.StringIO()
    figure.savefig(text, format='svg', transparent=True, metadata={'Date': None})
    svg = text.getvalue()
    svg = svg[svg.index('<svg') :]
    for pattern, replacement in _CLEANING:
        svg = re.sub(pattern, replacement, svg, flags=re.DOTALL)
    for stand_in, colour in _PAGE_COLOURS.items():
        svg = svg.replace(stand_in, colour)
    return svg
