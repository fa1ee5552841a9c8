# SPDX-License-Identifier: Apache-2.0
"""Plot what a compression cost and brought, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from model_tools.compression.costs import COSTS
from model_tools.compression.gate import flat_scores


@dataclass(frozen=True)
class Course:
    """The steps of a compression, and by name a number for each of them."""

    steps: list[str]
    """The teacher, then each round pruned and tuned."""
    costs: dict[str, list[float]]
    """Shares of the teacher's."""
    scores: dict[str, list[float | None]]
    """On the hold-out; None where nothing was scored."""


def course(record: Mapping[str, Any]) -> Course:
    """Return the course of `compression.json`."""
    states, steps = [record['teacher']], ['teacher']
    for done in record['rounds']:
        for stage in ('pruned', 'tuned'):
            states.append(done[stage])
            steps.append(f'round {done["round"]}\n{stage}')
    scores = [flat_scores(state['holdout']) if state['holdout'] else {} for state in states]
    return Course(
        steps,
        {
            name: [state[name] / states[0][name] for state in states]
            for name in COSTS
            if name in states[0]
        },
        {name: [found.get(name) for found in scores] for name in scores[0]},
    )


def draw_course(record: Mapping[str, Any], out: Path) -> None:
    """Draw costs and, where there is a hold-out, scores over the steps into a PNG."""
    found = course(record)
    panels: dict[str, Mapping[str, Sequence[float | None]]] = {'cost, of the teacher': found.costs}
    if found.scores:
        panels['hold-out'] = found.scores
    width = (2 + 0.8 * len(found.steps)) * len(panels)
    figure = Figure(figsize=(width, 4), layout='constrained')
    for axes, (title, series) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        for name, values in series.items():
            axes.plot(found.steps, values, '.-', label=name)
        axes.set(ylim=(0, 1.05), title=title)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.savefig(out, dpi=110, format='png')
