# SPDX-License-Identifier: Apache-2.0
"""Plot the losses and the hold-out scores of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from model_tools.training.task_weights import PARTS


def draw_curves(records: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Draw the records of `metrics.jsonl` over the epochs into a PNG."""
    scored = [(r['epoch'], _scores(r['holdout'])) for r in records if 'holdout' in r]
    panels = 2 if scored else 1
    figure = Figure(figsize=(5.5 * panels, 4), layout='constrained')
    losses, *others = figure.subplots(1, panels, squeeze=False)[0]
    for name in (part for part in (*PARTS, 'distillation') if part in records[0]):
        losses.plot([r['epoch'] for r in records], [r[name] for r in records], '.-', label=name)
    losses.set(xlabel='epoch', ylabel='weighted loss', yscale='log', title='training')
    losses.yaxis.set_major_formatter('{x:g}')
    losses.yaxis.set_minor_formatter('{x:g}')
    for scores in others:
        for name in scored[-1][1]:
            scores.plot([e for e, _ in scored], [s[name] for _, s in scored], '.-', label=name)
        scores.set(xlabel='epoch', ylim=(0, 1), title='hold-out, averaged weights')
    for axes in (losses, *others):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3, which='both')
        axes.legend()
    figure.savefig(out, dpi=110, format='png')


def _scores(holdout: Mapping[str, Any]) -> dict[str, float | None]:
    """Return scores by name; None where there was nothing to score."""
    boxes = {f'AP50 {label}': ap for label, ap in holdout['ap50'].items()}
    return {
        **boxes,
        'drivable IoU': holdout['drivable_iou'],
        'lane IoU': holdout['lane_iou'],
    }
