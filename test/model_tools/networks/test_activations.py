# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from model_tools.networks.activations import FadingSiLU, fade, set_temperature, with_activation
from model_tools.networks.panoptic_net import PanopticNet


@pytest.fixture
def net(small_network):
    torch.manual_seed(0)
    return PanopticNet(replace(small_network, activation='silu')).eval()


@pytest.fixture
def image():
    return torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1)) * 255


@pytest.mark.parametrize(
    ('temperature', 'expected'),
    [
        (1.0, [-0.2689, 0.0, 1.7616]),
        (0.5, [-0.1192, 0.0, 1.9640]),  # x sigmoid(2 x)
        (1e-6, [0.0, 0.0, 2.0]),
        (0.0, [0.0, 0.0, 2.0]),
    ],
)
def test_fading_silu__values(temperature, expected):
    activation = FadingSiLU()
    activation.temperature = temperature
    assert activation(torch.tensor([-1.0, 0.0, 2.0])).tolist() == pytest.approx(expected, abs=1e-4)


def test_fading_silu__begins_as_silu():
    x = torch.linspace(-5, 5, 11)
    assert torch.equal(FadingSiLU()(x), F.silu(x))


@torch.no_grad()
def test_fade__from_the_network_that_was_to_the_one_that_will_be(net, image):
    silu, relu = net(image), with_activation(net, 'relu')(image)
    assert (silu.drivable - relu.drivable).abs().max() > 1e-3
    fade(net)
    assert torch.equal(net(image).drivable, silu.drivable)
    set_temperature(net, 0.0)
    assert torch.equal(net(image).detection.boxes, relu.detection.boxes)
    assert torch.equal(net(image).drivable, relu.drivable)
    assert net.state_dict().keys() == PanopticNet(net.config).state_dict().keys()


def test_with_activation__keeps_all_else(net):
    other = with_activation(net, 'relu')
    assert other.config == replace(net.config, activation='relu')
    assert not other.training
    assert net.config.activation == 'silu', 'the first is as it was'
    assert with_activation(net, 'silu') is net
    assert with_activation(net.train(), 'relu').training
