# SPDX-License-Identifier: Apache-2.0
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn

from model_tools.compression.groups import find_groups
from model_tools.compression.surgery import (
    SurgeryError,
    kept_channels,
    protected_modules,
    remove_channels,
)
from model_tools.networks.config import NetworkConfig
from model_tools.networks.panoptic_net import PanopticNet

EXAMPLE = torch.zeros(1, 3, 64, 64)


def grown(config):
    """Return a network whose norms differ from channel to channel, as after training."""
    torch.manual_seed(0)
    net = PanopticNet(config).eval()
    for norm in (m for m in net.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, 0, 0.3)
        nn.init.normal_(norm.running_mean, 0, 0.1)
        nn.init.uniform_(norm.running_var, 0.5, 1.5)
    return net


def groups_of(net):
    return find_groups(net, EXAMPLE, protected=protected_modules(net))


def halves(groups, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        g.name: torch.randperm(g.size, generator=generator)[: g.size // 2].sort().values
        for g in groups
    }


def outputs(net, seed=0):
    image = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(seed)) * 255
    with torch.no_grad():
        (logits, boxes), drivable, lane = net(image)
    return [logits, boxes, drivable, lane]


def parameters(net):
    return sum(p.numel() for p in net.parameters())


@pytest.fixture
def net(small_network):
    return grown(small_network)


@pytest.mark.parametrize('size', ['n', 's'])
@pytest.mark.parametrize('attention', [False, True])
def test_remove_channels__says_what_its_parent_does_with_closed_gates(size, attention):
    net = grown(NetworkConfig.from_dict({'size': size, 'attention': attention}))
    groups = groups_of(net)
    keep = halves(groups)
    pruned = remove_channels(net, groups, keep, EXAMPLE)
    closed = deepcopy(net)
    for group in groups:
        gone = torch.tensor(sorted(set(range(group.size)) - set(keep[group.name].tolist())))
        for member in group.members:
            if member.side == 'norm':
                norm = closed.get_submodule(member.module)
                norm.weight.data[member.index[gone]] = 0
                norm.bias.data[member.index[gone]] = 0
    for found, expected in zip(outputs(pruned), outputs(closed), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(outputs(pruned)[2], outputs(net)[2], atol=1e-3)
    assert 0.2 < parameters(pruned) / parameters(net) < (0.6 if attention else 0.3)


@pytest.mark.parametrize(
    ('name', 'kept', 'removed'),
    [
        # stem: filters of 3 x 6 x 6, norm, inputs of the 8 filters of 3 x 3 that follow
        ('backbone.stem.0', 5, 3 * (3 * 36 + 2 + 8 * 9)),
        # pyramid pooling: the 32 filters that follow read each channel four times
        ('backbone.stage5.1.reduce.0', 10, 6 * (32 + 2 + 4 * 32)),
        # a sum of two convolutions, with 16 and 8 inputs, before 16 filters of 3 x 3
        ('drivable.deep.0', 12, 4 * (16 + 8 + 2 * 2 + 16 * 9)),
        # read by heads and encoder: 3 heads of 16 filters, 16 of 3 x 3
        ('encoder.down3.merge.0', 9, 7 * (16 + 2 + 3 * 16 + 16 * 9)),
        # the last layer before 3 logits
        ('detection.class_branches.2.1.0', 15, 16 * 9 + 2 + 3),
    ],
)
def test_remove_channels__parameters_counted_by_hand(net, name, kept, removed):
    pruned = remove_channels(net, groups_of(net), {name: torch.arange(kept)}, EXAMPLE)
    assert parameters(net) - parameters(pruned) == removed
    assert pruned.get_submodule(name).out_channels == kept


def test_remove_channels__leaves_its_parent_as_it_was(net):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    config = net.config
    net.train().encoder.eval()
    net.lane.requires_grad_(False)
    groups = groups_of(net)
    pruned = remove_channels(net, groups, halves(groups), EXAMPLE)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.config == config
    assert [m.training for m in pruned.modules()] == [m.training for m in net.modules()]
    wanted = [p.requires_grad for p in net.parameters()]
    assert [p.requires_grad for p in pruned.parameters()] == wanted
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize('convolution', ['dense', 'separable'])
def test_remove_channels__the_width_table_builds_the_same_network(small_network, convolution):
    net = grown(replace(small_network, convolution=convolution))
    groups = groups_of(net)
    pruned = remove_channels(net, groups, halves(groups), EXAMPLE)
    config = NetworkConfig.from_dict(pruned.config.to_dict())
    assert config.channels['backbone.stem.0'] == (3, 4)
    assert config.channels['backbone.stage5.1.merge.0'] == (4 * 8, 16)
    assert config.channels['detection.class_logits.1'] == (8, 3)
    again = PanopticNet(config).eval()
    assert str(again) == str(pruned)
    again.load_state_dict(pruned.state_dict())
    for found, expected in zip(outputs(again), outputs(pruned), strict=True):
        assert torch.equal(found, expected)


def test_remove_channels__nothing_to_remove(net):
    groups = groups_of(net)
    everything = {g.name: torch.arange(g.size) for g in groups}
    for keep in ({}, everything):
        same = remove_channels(net, groups, keep, EXAMPLE)
        assert same.config == net.config
        assert all(map(torch.equal, outputs(same), outputs(net)))


@pytest.mark.parametrize('attention', [False, True])
def test_kept_channels__two_rounds_tell_filters_of_the_first_network(small_network, attention):
    net = grown(replace(small_network, attention=attention))
    groups = groups_of(net)
    keep = halves(groups, seed=1)
    once = remove_channels(net, groups, keep, EXAMPLE)
    kept = kept_channels(net, groups, keep)
    groups = groups_of(once)
    keep = halves(groups, seed=2)
    twice = remove_channels(once, groups, keep, EXAMPLE)
    kept = kept_channels(once, groups, keep, kept)
    assert len(kept['backbone.stem.0']) == 2
    assert kept['lane.logit'].tolist() == [0]
    assert kept['backbone.stage5.2.merge.0'].tolist() == list(range(32)) or not attention
    convolutions = [n for n, m in net.named_modules() if isinstance(m, nn.Conv2d)]
    assert set(convolutions) <= set(kept)
    for name in convolutions:
        assert twice.get_submodule(name).out_channels == len(kept[name])
        block = name.rpartition('.')[0]
        if f'{block}.1.running_var' in net.state_dict():  # differs from channel to channel
            before = net.get_submodule(f'{block}.1').running_var[kept[name]]
            assert torch.equal(twice.get_submodule(f'{block}.1').running_var, before), name


@pytest.mark.parametrize(
    ('keep', 'words'),
    [
        ({'stem': [0]}, "'stem' is no group of this network"),
        ({'backbone.stem.0': []}, 'at least one'),
        ({'backbone.stem.0': [1, 1]}, 'rising indices'),
        ({'backbone.stem.0': [2, 1]}, 'rising indices'),
        ({'backbone.stem.0': [0, 8]}, 'from 0 to 7, found 0 to 8'),
        ({'backbone.stem.0': [-1, 3]}, 'from 0 to 7, found -1 to 3'),
    ],
)
def test_remove_channels__not_channels_of_the_network(net, keep, words):
    keep = {name: torch.tensor(index, dtype=torch.int64) for name, index in keep.items()}
    with pytest.raises(SurgeryError, match=words):
        remove_channels(net, groups_of(net), keep, EXAMPLE)
