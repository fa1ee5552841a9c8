# SPDX-License-Identifier: Apache-2.0
"""What a channel scores by each criterion; those that score least are removed first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from model_tools.compression.aggregation import normalise, safe_importance, vetoed
from model_tools.compression.groups import ChannelGroup
from model_tools.compression.importance import Evidence, filters

CRITERIA = ('random', 'magnitude', 'taylor_sum', 'safe_taylor', 'safe_taylor_conflict')


class CriterionError(ValueError):
    """A criterion is unknown, or lacks what it judges by."""


def channel_scores(
    criterion: str,
    net: nn.Module,
    groups: Sequence[ChannelGroup],
    evidence: Evidence | None,
    *,
    conflict_weight: float = 0.5,
    veto_share: float = 0.0,
    cost_power: float = 0.0,
    costs: Mapping[str, float] | None = None,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Return by group the score (C,) of each channel.

    Args:
        criterion: One of `CRITERIA`.
        net: The network that the groups are of.
        groups: The channels to score.
        evidence: What the Taylor criteria judge by.
        conflict_weight: Share, 0..1, that full conflict takes from a score; of
            'safe_taylor_conflict'.
        veto_share: Share, 0..1, of the channels that are best for any one task; the safe criteria
            score them infinite.
        cost_power: Power of the cost that scores are divided by, so that channels that cost more
            go earlier; 0: cost does not count.
        costs: By group, what one of its channels costs; any unit.
        seed: Of 'random'.

    Raises:
        CriterionError: The criterion is unknown, or evidence or costs are missing.

    """
    if criterion not in CRITERIA:
        raise CriterionError(f'criterion is {criterion!r}, expected one of {CRITERIA}')
    if criterion == 'random':
        scores = random_scores(groups, seed)
    elif criterion == 'magnitude':
        scores = magnitudes(net, groups)
    elif evidence is None:
        raise CriterionError(f"criterion '{criterion}' needs evidence from calibration batches")
    elif criterion == 'taylor_sum':
        scores = {group.name: evidence.summed[group.name] for group in groups}
    else:
        weight = conflict_weight if criterion == 'safe_taylor_conflict' else 0.0
        scores = safe_scores(evidence, conflict_weight=weight, veto_share=veto_share)
    return _by_cost(scores, costs or {}, cost_power) if cost_power else scores


def random_scores(groups: Sequence[ChannelGroup], seed: int) -> dict[str, Tensor]:
    """Return scores in 0..1 that depend on the seed and the groups' names and sizes alone."""
    generator = torch.Generator().manual_seed(seed)
    ordered = sorted(groups, key=lambda group: group.name)
    return {group.name: torch.rand(group.size, generator=generator) for group in ordered}


@torch.no_grad()
def magnitudes(net: nn.Module, groups: Sequence[ChannelGroup]) -> dict[str, Tensor]:
    """Return the L2 norm of each channel's filters, relative to the mean of its group.

    Without the mean, the ranking over all groups would be one of their fan-ins and depths.
    """
    modules = dict(net.named_modules())
    scores = {}
    for group in groups:
        squares = [
            filters(modules[m.module], modules[m.module].weight).square().sum(1)[m.index]
            for m in group.members
            if m.side == 'out'
        ]
        norms = torch.stack(squares).sum(0).sqrt().cpu()
        scores[group.name] = norms / norms.mean().clamp(min=torch.finfo(norms.dtype).tiny)
    return scores


def safe_scores(
    evidence: Evidence, *, conflict_weight: float, veto_share: float
) -> dict[str, Tensor]:
    """Return S (1 - w P) of the normalised importance, and infinity for vetoed channels.

    S is what the neediest task says, P the conflict (reconstruction of arXiv 2511.05557).
    """
    importance = {task: normalise(values) for task, values in evidence.importance.items()}
    safe, veto = safe_importance(importance), vetoed(importance, veto_share)
    return {
        name: (values * (1 - conflict_weight * evidence.conflict[name])).masked_fill(
            veto[name], torch.inf
        )
        for name, values in safe.items()
    }


def _by_cost(
    scores: Mapping[str, Tensor], costs: Mapping[str, float], power: float
) -> dict[str, Tensor]:
    if missing := [name for name in scores if costs.get(name, 0) <= 0]:
        raise CriterionError(f'cost_power is {power:g} but no cost above 0 is known of {missing}')
    return {name: values / costs[name] ** power for name, values in scores.items()}
