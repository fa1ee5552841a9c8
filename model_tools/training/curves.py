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
    figure = Figure(figsize=(11, 4), layout='constrained')
    losses, scores = figure.subplots(1, 2)
    for name in (part for part in (*PARTS, 'distillation') if part in records[0]):
        losses.plot([r['epoch'] for r in records], [r[name] for r in records], '.-', label=name)
    losses.set(xlabel='epoch', ylabel='weighted loss', yscale='log', title='training')
    scored = [(r['epoch'], _scores(r['holdout'])) for r in records if 'holdout' in r]
    for name in scored[-1][1] if scored else ():
        scores.plot([e for e, _ in scored], [s[name] for _, s in scored], '.-', label=name)
    scores.set(xlabel='epoch', ylim=(0, 1), title='hold-out, averaged weights')
    losses.yaxis.set_major_formatter('{x:g}')
    losses.yaxis.set_minor_formatter('{x:g}')
    for axes in (losses, scores):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3, which='both')
        if axes.lines:
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
