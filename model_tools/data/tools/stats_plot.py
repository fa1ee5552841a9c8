# SPDX-License-Identifier: Apache-2.0
"""Draw the statistics of a data set as one picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib

matplotlib.use('Agg')
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

Splits = Mapping[str, Mapping[str, Any]]

_COLOURS = ('#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00')  # Okabe and Ito
_STYLES = ('-', '--', ':', '-.')
_HEATS = {'boxes': 'boxes', 'drivable': 'drivable area', 'lane': 'lane lines'}
_SHOWN = 5  # values of an attribute; the rest is one bar
_LETTERS = 56  # in the width of a bar


def draw_stats(stats: Mapping[str, Any], out: Path) -> None:
    """Draw objects, sizes, masks, conditions and places of every split into a PNG."""
    splits = stats['splits']
    heights = 8.5, 2.4 * len(splits) + 0.4
    figure = pyplot.figure(figsize=(15, sum(heights)), layout='constrained')
    upper, lower = figure.subfigures(2, 1, height_ratios=heights)
    axes = upper.subplots(2, 3, width_ratios=(1, 1, 1.2))
    _draw_objects(axes[0, 0], splits)
    _draw_heights(axes[0, 1], splits)
    boxes = {split: values['boxes_an_image'] for split, values in splits.items()}
    _draw_histograms(axes[0, 2], boxes, 'boxes in an image')
    for panel, task in zip(axes[1], ('drivable', 'lane'), strict=False):
        shares = {split: values['masks'][task]['class'] for split, values in splits.items()}
        _draw_histograms(panel, shares, f'{_HEATS[task]}, share of the known pixels')
    _draw_attributes(axes[1, 2], splits)
    _draw_heat(lower, splits)
    figure.savefig(out, dpi=110)
    pyplot.close(figure)


def _draw_objects(axes: Axes, splits: Splits) -> None:
    """Draw a bar of boxes for each label and split, and a mark for its crowd regions."""
    rows: list[str] = []
    most = 1
    for number, (split, values) in enumerate(splits.items()):
        for label, objects in values['objects'].items():
            colour = _colour(number)
            axes.barh(len(rows), objects['boxes'], color=colour, height=0.7)
            crowd = objects['crowd'] or np.nan
            axes.plot(crowd, len(rows), 'k|', markersize=16, markeredgewidth=2)
            end = max(objects['boxes'], objects['crowd'], 1)
            most = max(most, end)
            text = f' {objects["boxes"]:,} + {objects["crowd"]:,}'
            axes.text(end, len(rows), text, va='center')
            rows.append(f'{split} {label}')
    axes.set_xlim(0.8, 200 * most)
    axes.set(title='objects: boxes + crowd regions (black mark)', xscale='log')
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()


def _draw_heights(axes: Axes, splits: Splits) -> None:
    """Draw the share of a label's boxes in each class of height."""
    for style, (split, values) in zip(_STYLES * len(splits), splits.items(), strict=False):
        for number, (label, objects) in enumerate(values['objects'].items()):
            if objects['boxes']:
                name, colour = f'{split} {label}', _colour(number)
                _draw_steps(axes, objects['height_px'], label=name, color=colour, linestyle=style)
    axes.axvspan(16, 32, color='0.9', zorder=0)
    axes.set_xscale('symlog', base=2, linthresh=4, linscale=0.5)
    ticks = (0, 4, 8, 16, 32, 64, 128, 256, 512)
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set(title='height of boxes, source px', ylabel='share of the boxes', ylim=(0, None))
    _legend(axes)


def _draw_histograms(axes: Axes, histograms: Mapping[str, Mapping[str, Any]], title: str) -> None:
    """Draw a histogram over images for each split, with its mean."""
    for number, (split, histogram) in enumerate(histograms.items()):
        if histogram['mean'] is not None:
            name = f'{split}, mean {histogram["mean"]:.3g}'
            _draw_steps(axes, histogram, color=_colour(number), fill=True, alpha=0.2)
            _draw_steps(axes, histogram, color=_colour(number), label=name, linewidth=1.5)
    axes.set(title=title, ylabel='share of the images', ylim=(0, None))
    _legend(axes)


def _draw_steps(axes: Axes, histogram: Mapping[str, Any], **style: Any) -> None:
    """Draw shares of a total; the last bin is open and is drawn as wide as the one before."""
    counts, edges = np.array(histogram['counts']), histogram['edges']
    filled = np.flatnonzero(counts)[-1] + 1
    shares = counts[:filled] / counts.sum()
    axes.stairs(shares, [*edges, 2 * edges[-1] - edges[-2]][: filled + 1], **style)


def _draw_attributes(axes: Axes, splits: Splits) -> None:
    """Draw how the values of each attribute share the images of each split."""
    rows: list[str] = []
    keys = dict.fromkeys(key for values in splits.values() for key in values['attributes'])
    for key in keys:
        counts = [values['attributes'].get(key, {}) for values in splits.values()]
        total = sum((Counter(c) for c in counts), Counter[str]())
        if set(total) <= {'unknown'}:
            continue
        shown = [value for value, _ in total.most_common(_SHOWN)]
        for split, of in zip(splits, counts, strict=True):
            if of:
                _draw_shares(axes, len(rows), {value: of.get(value, 0) for value in shown}, of)
                rows.append(f'{key}, {split}')
    axes.set(title='conditions and kinds of labels', xlabel='share of the images', xlim=(0, 1))
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()


def _draw_shares(
    axes: Axes, row: int, shown: Mapping[str, int], counts: Mapping[str, int]
) -> None:
    """Draw one bar of parts, with the names of those that have room for it."""
    total, left = sum(counts.values()), 0.0
    rest = total - sum(shown.values())
    for number, (value, count) in enumerate([*shown.items(), ('other', rest)]):
        share = count / total
        axes.barh(row, share, left=left, height=0.7, color=_colour(number), alpha=0.75)
        lines = wrap(value, max(1, int(share * _LETTERS)), break_long_words=False)
        if len(lines) <= 2 and all(len(line) <= share * _LETTERS for line in lines):
            text = '\n'.join(lines)
            axes.text(left + share / 2, row, text, ha='center', va='center', fontsize=7.5)
        left += share


def _draw_heat(figure: SubFigure, splits: Splits) -> None:
    """Draw where in an image each class is; each class has one scale for all splits."""
    axes = figure.subplots(len(splits), len(_HEATS), squeeze=False)
    for column, (key, name) in enumerate(_HEATS.items()):
        heats = {split: values['heat'][key] for split, values in splits.items()}
        top = max((np.max(heat) for heat in heats.values() if heat is not None), default=1.0)
        for panel, (split, heat) in zip(axes[:, column], heats.items(), strict=True):
            panel.set(title=f'{split}: {name}', xticks=(), yticks=())
            if heat is None:
                panel.set_title(f'{split}: {name} not labelled')
                panel.set_axis_off()
                continue
            image = panel.imshow(
                heat, cmap='magma', vmin=0, vmax=max(top, 1e-6), extent=(0, 16, 9, 0)
            )
            figure.colorbar(image, ax=panel, shrink=0.9)


def _legend(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]
