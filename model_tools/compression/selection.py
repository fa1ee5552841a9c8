# SPDX-License-Identifier: Apache-2.0
"""Which channels stay: one ranking over all groups, a floor and a multiple for each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Keep = Mapping[str, Tensor]
"""By group: (K,) int64, the indices of the channels that stay, ascending."""

LARGE = 32
"""Groups of more channels than this are rounded to the larger multiple."""


class BudgetError(ValueError):
    """No allowed choice of channels is as cheap as asked."""


@dataclass(frozen=True)
class Widths:
    """How many channels a group may keep."""

    floor_share: float = 0.1
    """Of the group, 0..1."""
    floor: int = 8
    multiple: int = 16
    small_multiple: int = 8
    """Of groups of up to `LARGE` channels."""

    def allowed(self, size: int, first: int) -> list[int]:
        """Return, ascending, the widths for a group of `size`: multiples from the floor, and all.

        Both go by the size that the group had at `first`, so that rounds do not lower them. The
        whole group stays possible though it may be no multiple, as it costs nothing to keep.
        """
        multiple = self.multiple if first > LARGE else self.small_multiple
        floor = max(1, self.floor, math.ceil(self.floor_share * first))
        return [*range(math.ceil(floor / multiple) * multiple, size, multiple), size]

    def fit(self, count: int, size: int, first: int, *, least: int = 0) -> int:
        """Return the allowed width nearest to `count`, the larger of two, that is >= `least`."""
        wide = [width for width in self.allowed(size, first) if width >= least]
        return min(wide, key=lambda width: (abs(width - count), -width))


def select(
    scores: Mapping[str, Tensor],
    threshold: float,
    widths: Widths,
    *,
    sizes: Mapping[str, int] | None = None,
) -> dict[str, Tensor]:
    """Keep the channels that score `threshold` or more, as far as the widths allow.

    Of equal channels those of higher index stay; one that scores infinity always does. `sizes`
    are those of the groups before the first round, if this is not the first.
    """
    first = sizes or {name: len(values) for name, values in scores.items()}
    return {name: _best(v, first[name], threshold, widths) for name, v in scores.items()}


def meet_budget(
    scores: Mapping[str, Tensor],
    widths: Widths,
    cost: Callable[[Keep], float],
    budget: float,
    *,
    sizes: Mapping[str, int] | None = None,
    held_by: str = '',
) -> dict[str, Tensor]:
    """Remove the channels that score least until the rest costs no more than `budget`.

    Equal channels go by group name, then index. Where a narrower choice can cost more than a
    wider one, as with measured time, the result still costs no more than the budget, but another
    may come nearer to it. `sizes` as in `select`; `held_by` says, for the error, what gives
    channels an infinite score.

    Raises:
        BudgetError: Even the floors, or what is never removed, cost more.

    """
    ranks, removable = _ranks(scores)
    if cost(everything := select(ranks, 0, widths, sizes=sizes)) <= budget:
        return everything
    best = select(ranks, removable, widths, sizes=sizes)
    if (least := cost(best)) > budget:
        _check_floor(cost(_floors(scores, widths, sizes)), budget)
        raise BudgetError(
            f'a cost of {budget:g} cannot be reached: with what {held_by or "an infinite score"} '
            f'keeps beside the floors it is {least:g}; raise the budget or let more of that go'
        )
    too_few, enough = 0, removable
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        keep = select(ranks, middle, widths, sizes=sizes)
        if cost(keep) <= budget:
            best, enough = keep, middle
        else:
            too_few = middle
    return best


def check_reachable(
    sizes: Mapping[str, int], widths: Widths, cost: Callable[[Keep], float], budget: float
) -> None:
    """Raise BudgetError if groups of these sizes cost more than `budget` at their floors."""
    scores = {name: torch.zeros(size) for name, size in sizes.items()}
    _check_floor(cost(_floors(scores, widths)), budget)


def _floors(
    scores: Mapping[str, Tensor], widths: Widths, sizes: Mapping[str, int] | None = None
) -> Keep:
    """Return as few channels of each group as the widths allow, whatever they score."""
    equal = {name: torch.zeros(len(values)) for name, values in scores.items()}
    return select(equal, torch.inf, widths, sizes=sizes)


def _check_floor(least: float, budget: float) -> None:
    if least > budget:
        raise BudgetError(
            f'a cost of {budget:g} cannot be reached: with every group at its floor it is '
            f'{least:g}; raise the budget or lower the floor'
        )


def _best(scores: Tensor, first: int, threshold: float, widths: Widths) -> Tensor:
    count, always = int((scores >= threshold).sum()), int(scores.isinf().sum())
    width = widths.fit(count, len(scores), first, least=always)
    return scores.argsort(stable=True)[len(scores) - width :].sort().values


def _ranks(scores: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], int]:
    """Return places in the order of removal, infinite for what is never removed; and their count.

    Unlike scores, places differ, so that a threshold can come between any two channels.
    """
    names = sorted(scores)
    every = torch.cat([torch.empty(0), *(scores[name] for name in names)])
    finite = int(every.isfinite().sum())
    ranks = torch.empty(len(every), dtype=torch.float64)
    ranks[every.argsort(stable=True)] = torch.arange(len(every), dtype=torch.float64)
    ranks[ranks >= finite] = torch.inf
    sizes = [len(scores[name]) for name in names]
    return dict(zip(names, ranks.split(sizes), strict=True)), finite
