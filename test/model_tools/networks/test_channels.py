# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch

from model_tools.networks.channels import narrowed
from model_tools.networks.config import NetworkConfig, NetworkConfigError
from model_tools.networks.panoptic_net import PanopticNet

NARROW_STEM = {'backbone.stem.0': (3, 5), 'backbone.stage2.0.0': (5, 8)}


def test_narrow__convolutions_and_norms(small_network):
    net = PanopticNet(replace(small_network, channels=NARROW_STEM))
    assert net.backbone.stem[0].weight.shape == (5, 3, 6, 6)
    assert net.backbone.stem[1].weight.shape == net.backbone.stem[1].running_var.shape == (5,)
    assert (net.backbone.stem[1].eps, net.backbone.stem[1].momentum) == (1e-3, 0.03)
    assert net.backbone.stage2[0][0].weight.shape == (8, 5, 3, 3)
    assert net.train()(torch.rand(2, 3, 64, 96)).lane.shape == (2, 1, 16, 24)


def test_narrow__depthwise_has_a_group_for_each_input(small_network):
    channels = {
        'backbone.stem.0': (3, 6),
        'backbone.stage2.0.0.0': (6, 6),
        'backbone.stage2.0.1.0': (6, 8),
    }
    net = PanopticNet(replace(small_network, convolution='separable', channels=channels))
    assert net.backbone.stage2[0][0][0].weight.shape == (6, 1, 3, 3)
    assert net.backbone.stage2[0][0][0].groups == 6


def test_narrow__last_layers_begin_with_their_own_biases(small_network):
    channels = {
        'detection.class_branches.0.1.0': (16, 8),
        'detection.class_logits.0': (8, 3),
    }
    net = PanopticNet(replace(small_network, channels=channels))
    assert torch.equal(net.detection.class_logits[0].bias, net.detection.class_logits[1].bias)


def test_narrowed__names_what_differs_in_order(small_network):
    whole = PanopticNet(small_network)
    net = PanopticNet(replace(small_network, channels=dict(reversed(NARROW_STEM.items()))))
    assert list(narrowed(net, whole).items()) == list(NARROW_STEM.items())
    assert narrowed(whole, whole) == {}


@pytest.mark.parametrize(
    ('channels', 'words'),
    [
        ({'backbone.stam.0': (3, 5)}, "'backbone.stam.0' is no convolution of this network"),
        ({'backbone.stem': (3, 5)}, "'backbone.stem' is no convolution"),
        ({'backbone.stem.1': (3, 5)}, "'backbone.stem.1' is no convolution"),
        (
            {'backbone.stem.0': (3, 9)},
            'has 3 inputs and 9 outputs, expected at most 3 and at most 8',
        ),
        ({'backbone.stem.0': (4, 8)}, 'has 4 inputs'),
        ({'lane.logit': (4, 2)}, 'expected at most 8 and exactly 1'),
        ({'detection.class_logits.0': (16, 2)}, 'exactly 3'),
        ({'backbone.stem.0': (3, 5)}, 'do not fit together'),
        ({**NARROW_STEM, 'drivable.deep.0': (16, 7)}, 'do not fit together'),
    ],
)
def test_narrow__cannot_be_built(small_network, channels, words):
    with pytest.raises(NetworkConfigError, match=words):
        PanopticNet(replace(small_network, channels=channels))


def test_narrow__depthwise_with_more_outputs_than_inputs(small_network):
    config = replace(small_network, convolution='separable')
    with pytest.raises(NetworkConfigError, match='as many of the one as of the other'):
        PanopticNet(replace(config, channels={'backbone.stage2.0.0.0': (4, 8)}))


@pytest.mark.parametrize(
    'channels',
    [
        None,
        3,
        ['backbone.stem.0'],
        {'a': 3},
        {'a': [3]},
        {'a': [3, 0]},
        {'a': [3, 1.0]},
        {1: [3, 3]},
    ],
)
def test_network_config__channels_are_pairs_by_name(channels):
    with pytest.raises(NetworkConfigError, match=r'network\.channels is'):
        NetworkConfig.from_dict({'size': 's', 'channels': channels})


def test_network_config__channels_as_plain_values():
    config = NetworkConfig.from_dict({'size': 's', 'channels': {'backbone.stem.0': [3, 8]}})
    assert config.channels == {'backbone.stem.0': (3, 8)}
    assert config.to_dict()['channels'] == {'backbone.stem.0': [3, 8]}
    assert NetworkConfig.from_dict(config.to_dict()) == config
    assert NetworkConfig().to_dict()['channels'] == {}
