# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from model_tools.networks.blocks import ConvBlock
from model_tools.networks.config import NetworkConfig
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.networks.rounding import (
    RoundingConv,
    round_in_training,
    rounded_input,
    rounded_weight,
)


@pytest.mark.parametrize(
    ('values', 'expected'),
    [
        ([0.0, 0.0], [0.0, 0.0]),
        ([0.0, 255.0, 100.4, 0.6], [0.0, 255.0, 100.0, 1.0]),
        ([0.0, 2.55, 1.004], [0.0, 2.55, 1.0]),
        # With a sign, half as many levels for each side.
        ([-1.0, 127.0, 3.4, -0.4], [-1.0, 127.0, 3.0, 0.0]),
        ([-127.0, 3.6], [-127.0, 4.0]),
    ],
)
def test_rounded_input(values, expected):
    found = rounded_input(torch.tensor(values))
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize('kind', [torch.float32, torch.bfloat16])
def test_rounded_input__each_channel_has_its_own_levels(kind):
    x = torch.tensor([[255.0, 3.4], [2.55, 0.012], [-1.27, 0.016], [0.0, 0.0]], dtype=kind)
    found = rounded_input(x.reshape(1, 4, 1, 2), by_channel=True)
    expected = torch.tensor([[255.0, 3.0], [2.55, 0.01], [-1.27, 0.02], [0.0, 0.0]])
    assert found.dtype == kind
    torch.testing.assert_close(found.float().reshape(4, 2), expected, rtol=5e-3, atol=1e-6)


def test_rounded_weight__each_filter_has_its_own_levels():
    weight = torch.tensor([[127.0, 3.4], [1.27, -0.004], [0.0, 0.0]]).reshape(3, 2, 1, 1)
    expected = torch.tensor([[127.0, 3.0], [1.27, 0.0], [0.0, 0.0]]).reshape(3, 2, 1, 1)
    torch.testing.assert_close(rounded_weight(weight), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize('kind', [torch.float32, torch.bfloat16])
def test_rounded_input__gradients_pass(kind):
    x = torch.tensor([-1.0, 0.3, 2.0], dtype=kind, requires_grad=True)
    rounded = rounded_input(x)
    assert rounded.dtype == kind
    rounded.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


@pytest.fixture
def net(small_network):
    torch.manual_seed(0)
    return PanopticNet(NetworkConfig.from_dict(small_network.to_dict())).eval()


def test_round_in_training__names_and_weights_stay(net):
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    round_in_training(net)
    after = net.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    rounding = [m for m in net.modules() if isinstance(m, RoundingConv)]
    assert len(rounding) == sum(isinstance(m, ConvBlock) for m in net.modules())
    plain = [m for m in net.modules() if type(m) is torch.nn.Conv2d]
    assert plain, 'the last layers of the heads do not round'


def test_round_in_training__answers_change_a_little(net):
    x = torch.rand(1, 3, 96, 160) * 255
    with torch.no_grad():
        before = net(x).drivable
        round_in_training(net)
        after = net(x).drivable
    difference = (after - before).std() / before.std()
    assert 1e-4 < difference < 0.3


def test_rounding_conv__a_small_channel_survives_only_before_a_depthwise_convolution():
    x = torch.tensor([255.0, 0.4]).reshape(1, 2, 1, 1)
    deep = nn.Conv2d(2, 2, 1, groups=2, bias=False)
    wide = nn.Conv2d(2, 2, 1, bias=False)
    with torch.no_grad():
        deep.weight.fill_(1.0)
        wide.weight.copy_(torch.eye(2).reshape(2, 2, 1, 1))
    for conv, expected in ((deep, [255.0, 0.4]), (wide, [255.0, 0.0])):
        conv.__class__ = RoundingConv
        torch.testing.assert_close(conv(x).detach().flatten(), torch.tensor(expected))
