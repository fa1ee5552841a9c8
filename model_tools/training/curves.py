# SPDX-License-Identifier: Apache-2.0
"""Plot the losses of a run."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot

LOSSES = ('class', 'box', 'drivable', 'lane')


def draw_curves(metrics: Path, out: Path) -> None:
    """Draw each loss of `metrics.jsonl` over the epochs into a PNG."""
    records = [json.loads(line) for line in metrics.read_text().splitlines()]
    figure, axes = pyplot.subplots(figsize=(7, 4), layout='constrained')
    for name in LOSSES:
        axes.plot([r['epoch'] for r in records], [r[name] for r in records], '.-', label=name)
    axes.set(xlabel='epoch', ylabel='weighted loss', yscale='log')
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(out, dpi=110)
    pyplot.close(figure)
