# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from model_tools.compression.groups import GroupError, find_groups


class Toy(nn.Module):
    """A residual sum, a concatenation with itself, a depthwise convolution and two outputs."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.branch = nn.Conv2d(4, 4, 1)
        self.depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.head = nn.Conv2d(8, 2, 1)
        self.fully = nn.Linear(4, 3)

    def forward(self, x):
        x = self.norm(self.stem(x)).relu()
        y = x + self.branch(x)
        z = self.depthwise(y)
        return self.head(torch.cat((z, y), 1)), self.fully(z.mean((2, 3)))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return self.a(x) + self.b(x)


EXAMPLE = torch.zeros(2, 3, 8, 8)


def members(group):
    return [(m.module, m.side, m.index.tolist()) for m in group.members]


def test_find_groups__worked_by_hand():
    net = Toy().train().requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    (group,) = find_groups(net, EXAMPLE, protected=['head', 'fully'])
    assert (group.name, group.size) == ('branch', 4)
    every = [0, 1, 2, 3]
    assert members(group) == [
        ('branch', 'in', every),
        ('branch', 'out', every),
        ('depthwise', 'out', every),
        ('fully', 'in', every),
        ('head', 'in', every),
        ('head', 'in', [4, 5, 6, 7]),
        ('norm', 'norm', every),
        ('stem', 'out', every),
    ]
    assert net.training
    assert not any(p.requires_grad for p in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_find_groups__channels_that_come_to_no_norm():
    (group,) = find_groups(Toy(), EXAMPLE, protected=['head', 'fully'])
    # What `branch` adds has no norm; a depthwise convolution only passes on what others make.
    assert [member.module for member in group.members if member.bare] == ['branch']
    summed = nn.Sequential(Twice(), nn.ReLU(), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    (group,) = find_groups(summed, EXAMPLE, protected=['3'])
    assert not any(member.bare for member in group.members)


def test_find_groups__nothing_protected_offers_the_last_layers_too():
    names = [group.name for group in find_groups(Toy(), EXAMPLE)]
    assert names == ['branch', 'fully', 'head']


@pytest.mark.parametrize('protected', ['branch', 'stem', 'depthwise'])
def test_find_groups__protecting_one_member_protects_all_tied_to_it(protected):
    assert find_groups(Toy(), EXAMPLE, protected=['head', 'fully', protected]) == []


def test_find_groups__a_prefix_protects_all_within():
    net = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1)), nn.Conv2d(5, 2, 1))
    assert [g.name for g in find_groups(net, EXAMPLE, protected=['0'])] == ['1']
    assert [g.name for g in find_groups(net, EXAMPLE, protected=['1', '0.1'])] == ['0.0']


class Split(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide = nn.Conv2d(3, 8, 1)
        self.narrow = nn.Conv2d(4, 4, 1)
        self.head = nn.Conv2d(4, 1, 1)

    def forward(self, x):
        first, second = self.wide(x).split(4, 1)
        return self.head(self.narrow(first) + second)


class Slice(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide = nn.Conv2d(3, 8, 1)
        self.head = nn.Conv2d(4, 1, 1)
        self.other = nn.Conv2d(8, 1, 1)

    def forward(self, x):
        x = self.wide(x)
        return self.head(x[:, 2:6]), self.other(x)


def test_find_groups__a_split_of_protected_channels_is_no_trouble():
    assert [g.name for g in find_groups(Split(), EXAMPLE, protected=['wide'])] == ['head']


@pytest.mark.parametrize(
    ('net', 'protected', 'words'),
    [
        (Toy(), ['heads'], "'heads' is not in the network.*'head'"),
        (Toy(), ['hea'], "'hea' is not in the network"),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1, groups=2)), [], '1 has 2 groups'),
        (Split(), ['head'], 'channels of narrow go through a split'),
        (Slice(), ['head', 'other'], 'head shares only some of its channels'),
    ],
)
def test_find_groups__cannot_be_divided(net, protected, words):
    with pytest.raises(GroupError, match=words):
        find_groups(net, EXAMPLE, protected=protected)
