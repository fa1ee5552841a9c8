# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from model_tools.compression.selection import (
    BudgetError,
    Widths,
    check_reachable,
    meet_budget,
    select,
)

FREE = Widths(floor_share=0.0, floor=1, multiple=1, small_multiple=1)


@pytest.mark.parametrize(
    ('size', 'expected'),
    [
        (1, [1]),
        (4, [4]),
        (8, [8]),
        (12, [8, 12]),
        (32, [8, 16, 24, 32]),
        (40, [16, 32, 40]),
        (64, [16, 32, 48, 64]),
        (200, [32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 200]),  # floor 10 %: 20
    ],
)
def test_widths__allowed(size, expected):
    assert Widths().allowed(size, size) == expected


@pytest.mark.parametrize(
    ('count', 'size', 'least', 'expected'),
    [
        (0, 64, 0, 16),
        (16, 64, 0, 16),
        (23, 64, 0, 16),
        (24, 64, 0, 32),  # halfway: wider
        (56, 64, 0, 64),
        (64, 64, 0, 64),
        (12, 12, 0, 12),
        (9, 12, 0, 8),
        (0, 6, 0, 6),
        (17, 64, 17, 32),  # never less than what is vetoed
    ],
)
def test_widths__fit(count, size, least, expected):
    assert Widths().fit(count, size, size, least=least) == expected


@pytest.mark.parametrize(
    ('scores', 'threshold', 'expected'),
    [
        ([3.0, 1.0, 2.0], 0.0, [0, 1, 2]),
        ([3.0, 1.0, 2.0], 2.0, [0, 2]),
        ([3.0, 1.0, 2.0], 9.0, [0]),  # the floor keeps the best
        ([1.0, 1.0, 1.0], 9.0, [2]),
        ([torch.inf, 1.0, torch.inf], 9.0, [0, 2]),
    ],
)
def test_select__one_group(scores, threshold, expected):
    (kept,) = select({'a': torch.tensor(scores)}, threshold, FREE).values()
    assert kept.dtype == torch.int64
    assert kept.tolist() == expected


def test_select__nothing():
    assert select({}, 1.0, Widths()) == {}


def test_select__rounds_to_what_scores_best():
    kept = select({'a': torch.arange(16.0).flip(0)}, 10.0, Widths())
    assert kept['a'].tolist() == list(range(8))  # six reach 10, two more fill the multiple


def channels(keep):
    return sum(len(kept) for kept in keep.values())


@pytest.mark.parametrize(
    ('budget', 'a', 'b'),
    [
        (6, [0, 1, 2], [0, 1, 2]),
        (5.5, [0, 2], [0, 1, 2]),
        (4, [0, 2], [0, 2]),
        (3, [0], [0, 2]),
        (2, [0], [2]),
    ],
)
def test_meet_budget__least_first_over_all_groups(budget, a, b):
    scores = {'b': torch.tensor([5.0, 2.0, 6.0]), 'a': torch.tensor([9.0, 1.0, 3.0])}
    keep = meet_budget(scores, FREE, channels, budget)
    assert (keep['a'].tolist(), keep['b'].tolist()) == (a, b)


def test_meet_budget__equal_channels_go_by_name_then_index():
    keep = meet_budget({'b': torch.ones(3), 'a': torch.ones(3)}, FREE, channels, 4)
    assert (keep['a'].tolist(), keep['b'].tolist()) == ([2], [0, 1, 2])


def test_meet_budget__costs_decide_how_far_to_go():
    def cost(keep):
        return 100 * len(keep['a']) + len(keep['b'])

    scores = {'a': torch.arange(64.0), 'b': 1000 + torch.arange(64.0)}
    keep = meet_budget(scores, Widths(), cost, 3300)
    assert keep['a'].tolist() == list(range(32, 64))
    assert keep['b'].tolist() == list(range(64))


def test_meet_budget__never_over_it_even_if_narrower_can_cost_more():
    def cost(keep):
        return len(keep['a']) + (10 if len(keep['a']) == 48 else 0)

    for budget in (16, 40, 57, 63):
        keep = meet_budget({'a': torch.arange(64.0)}, Widths(), cost, budget)
        assert cost(keep) <= budget


def test_meet_budget__vetoed_channels_stay():
    scores = torch.arange(64.0)
    scores[:20] = torch.inf
    keep = meet_budget({'a': scores}, Widths(), channels, 32)
    assert keep['a'].tolist() == [*range(20), *range(52, 64)]


@pytest.mark.parametrize(
    ('vetoed', 'budget', 'words'),
    [
        (20, 31, r'a cost of 31 .*: with what veto_share 0.9 keeps .* it is 32; .* let more of'),
        (60, 31, r'with what veto_share 0.9 keeps beside the floors it is 64;'),
        (60, 15, r'with every group at its floor it is 16; .* lower the floor'),  # not the veto
        (0, 15, r'with every group at its floor it is 16;'),
    ],
)
def test_meet_budget__says_what_keeps_the_channels(vetoed, budget, words):
    scores = torch.arange(64.0)
    scores[:vetoed] = torch.inf
    with pytest.raises(BudgetError, match=words):
        meet_budget({'a': scores}, Widths(), channels, budget, held_by='veto_share 0.9')


@pytest.mark.parametrize(('scores', 'least'), [({}, 0), ({'a': torch.rand(64)}, 16)])
def test_meet_budget__unreachable(scores, least):
    with pytest.raises(BudgetError, match=f'a cost of -1 cannot be reached.* it is {least};'):
        meet_budget(scores, Widths(), channels, -1)


def test_meet_budget__rounds_do_not_lower_the_floor():
    scores = {'a': torch.arange(256.0), 'b': torch.arange(64.0)}
    sizes = {name: len(values) for name, values in scores.items()}

    def width(keep):
        return sum(len(kept) for kept in keep.values())

    first = meet_budget(scores, Widths(), width, 48, sizes=sizes)
    assert {name: len(kept) for name, kept in first.items()} == {'a': 32, 'b': 16}
    left = {name: scores[name][kept] for name, kept in first.items()}
    with pytest.raises(BudgetError, match='it is 48'):
        meet_budget(left, Widths(), width, 40, sizes=sizes)


def test_check_reachable__all_groups_at_their_floors():
    sizes = {'a': 256, 'b': 64}
    check_reachable(sizes, Widths(), channels, 48)
    with pytest.raises(BudgetError, match=r'a cost of 47 cannot be reached.* it is 48;'):
        check_reachable(sizes, Widths(), channels, 47)
    check_reachable({}, Widths(), channels, 0)
