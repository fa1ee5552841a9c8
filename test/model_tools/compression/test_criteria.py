# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from model_tools.compression.criteria import CRITERIA, CriterionError, channel_scores
from model_tools.compression.groups import ChannelGroup, Member
from model_tools.compression.importance import Evidence


def group(name, *modules, size):
    index = torch.arange(size)
    return ChannelGroup(name, tuple(Member(m, 'out', index) for m in modules), size)


GROUPS = [group('0', '0', size=2), group('1', '1', size=2)]
EVIDENCE = Evidence(
    importance={
        'detection': {'0': torch.tensor([4.0, 0.0]), '1': torch.tensor([0.0, 0.0])},
        'lane': {'0': torch.tensor([0.1, 0.1]), '1': torch.tensor([0.0, 0.2])},
    },
    summed={'0': torch.tensor([4.0, 0.1]), '1': torch.tensor([0.0, 0.2])},
    conflict={'0': torch.tensor([1.0, 0.0]), '1': torch.tensor([0.5, 0.5])},
    batches={'detection': 1, 'lane': 1},
)
SAFE = {'0': [4.0, 1.0], '1': [0.0, 2.0]}
"""Each task's mean is 1: detection 4 0 0 0, lane 1 1 0 2."""


@pytest.fixture
def net():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([3.0, -1.0]).view(2, 1, 1, 1))
        net[1].weight.copy_(torch.tensor([[3.0, 4.0], [0.0, 0.0]]).view(2, 2, 1, 1))
    return net


def scores(criterion, net, evidence=EVIDENCE, **options):
    found = channel_scores(criterion, net, GROUPS, evidence, **options)
    return {name: values.tolist() for name, values in found.items()}


@pytest.mark.parametrize(
    ('criterion', 'options', 'expected'),
    [
        ('magnitude', {}, {'0': [1.5, 0.5], '1': [2.0, 0.0]}),
        ('taylor_sum', {}, {'0': [4.0, 0.1], '1': [0.0, 0.2]}),
        ('safe_taylor', {}, SAFE),
        ('safe_taylor', {'conflict_weight': 1.0}, SAFE),
        ('safe_taylor_conflict', {'conflict_weight': 0.0}, SAFE),
        ('safe_taylor_conflict', {}, {'0': [2.0, 1.0], '1': [0.0, 1.5]}),
        ('safe_taylor_conflict', {'conflict_weight': 1.0}, {'0': [0.0, 1.0], '1': [0.0, 1.0]}),
        ('safe_taylor', {'veto_share': 0.25}, {'0': [torch.inf, 1.0], '1': [0.0, torch.inf]}),
        (
            'safe_taylor',
            {'cost_power': 0.5, 'costs': {'0': 4.0, '1': 0.25}},
            {'0': [2.0, 0.5], '1': [0.0, 4.0]},
        ),
    ],
)
def test_channel_scores__worked_by_hand(net, criterion, options, expected):
    found = scores(criterion, net, **options)
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert found[name] == pytest.approx(values)


def test_channel_scores__random_depends_on_the_seed_alone(net):
    found = scores('random', net, None, seed=1)
    reverse = channel_scores('random', net, GROUPS[::-1], None, seed=1)
    assert {name: values.tolist() for name, values in reverse.items()} == found
    assert scores('random', net, None, seed=2) != found
    assert len({*found['0'], *found['1']}) == 4


def test_channel_scores__magnitude_of_coupled_layers(net):
    coupled = [group('0', '0', '1', size=2)]
    (found,) = channel_scores('magnitude', net, coupled, None).values()
    large, small = (9 + 25) ** 0.5, 1.0
    assert found.tolist() == pytest.approx([2 * v / (large + small) for v in (large, small)])


@pytest.mark.parametrize(
    ('criterion', 'evidence', 'options', 'message'),
    [
        ('entropy', EVIDENCE, {}, "criterion is 'entropy', expected one of"),
        ('taylor_sum', None, {}, "'taylor_sum' needs evidence"),
        ('safe_taylor', None, {}, "'safe_taylor' needs evidence"),
        ('random', None, {'cost_power': 0.5}, r"no cost above 0 is known of \['0', '1'\]"),
        ('random', None, {'cost_power': 1, 'costs': {'0': 1, '1': 0}}, r"of \['1'\]"),
    ],
)
def test_channel_scores__refused(net, criterion, evidence, options, message):
    with pytest.raises(CriterionError, match=message):
        channel_scores(criterion, net, GROUPS, evidence, **options)


def test_criteria__all_score_every_channel(net):
    for criterion in CRITERIA:
        assert {name: len(values) for name, values in scores(criterion, net).items()} == {
            '0': 2,
            '1': 2,
        }
