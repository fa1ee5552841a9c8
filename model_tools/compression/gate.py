# SPDX-License-Identifier: Apache-2.0
"""The gate after each round of pruning: no task may fall further than allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from model_tools.compression.importance import Evidence
from model_tools.compression.selection import Keep

HURT_SHARE = 0.1
"""Share of the groups that are spared after a task has fallen too far."""


class GateError(ValueError):
    """No attempt at a round leaves every task good enough."""


def flat_scores(headline: Mapping[str, Any]) -> dict[str, float]:
    """Return a headline's scores by name, without those of labels that no image has."""
    scores = {f'{label}_ap50': value for label, value in headline['ap50'].items()}
    scores.update({name: headline[name] for name in ('drivable_iou', 'lane_iou')})
    return {name: float(value) for name, value in scores.items() if value is not None}


def task_of(score: str) -> str:
    """Return the task that a score of `flat_scores` is of."""
    return {'drivable_iou': 'drivable', 'lane_iou': 'lane'}.get(score, 'detection')


def fallen(
    reference: Mapping[str, float], found: Mapping[str, float], *, allowed: float
) -> dict[str, float]:
    """Return by how much each score fell that fell by more than `allowed`, or became NaN."""
    falls = {name: reference[name] - found.get(name, 0.0) for name in reference}
    return {name: round(fall, 4) for name, fall in falls.items() if not fall <= allowed}


def most_hurt(evidence: Evidence, keep: Keep) -> dict[str, list[str]]:
    """Return for each task the groups that lost most of what it needs, worst first.

    A group is hurt by the importance to the task that went with its channels.

    Args:
        evidence: What the channels were worth before the round.
        keep: Channels that lived on, by group.

    """
    return {task: _worst(values, keep) for task, values in evidence.importance.items()}


def _worst(importance: Mapping[str, Tensor], keep: Keep) -> list[str]:
    lost = {group: _lost(importance[group], kept) for group, kept in keep.items()}
    hurt = sorted((g for g in lost if lost[g] > 0), key=lambda g: (-lost[g], g))
    return hurt[: max(1, round(HURT_SHARE * len(keep)))]


def _lost(importance: Tensor, kept: Tensor) -> float:
    return float(importance.sum()) - float(importance[kept].sum())
