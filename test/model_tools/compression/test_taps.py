# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from model_tools.compression.taps import TAPS, TapError, Taps
from model_tools.networks.panoptic_net import PanopticNet

STRIDES = {'C3': 8, 'C4': 16, 'C5': 32, 'P3': 8, 'P4': 16, 'P5': 32}


def test_taps__no_module():
    with Taps(nn.Identity(), {}) as features:
        pass
    assert features == {}


def test_taps__module_that_is_not_there(small_network):
    with pytest.raises(TapError, match=r"no modules \['neck'\] to tap in PanopticNet"):
        Taps(PanopticNet(small_network), {'P3': 'neck', 'C3': 'backbone.stage3'})


def test_taps__features_of_backbone_and_encoder(small_network):
    net, image = PanopticNet(small_network).eval(), torch.rand(2, 3, 64, 96) * 255
    with torch.no_grad():
        with Taps(net) as features:
            net(image)
        _, *deep = net.backbone(image)
        expected = dict(zip(TAPS, (*deep, *net.encoder(*deep)), strict=True))
    assert features.keys() == expected.keys()
    for tap, feature in features.items():
        assert feature.shape[2:] == (64 // STRIDES[tap], 96 // STRIDES[tap])
        assert torch.equal(feature, expected[tap]), tap


def test_taps__nothing_is_kept_afterwards():
    net = nn.Sequential(nn.ReLU())
    with Taps(net, {'x': '0'}) as features:
        net(torch.tensor([-1.0, 2.0]))
    assert features['x'].tolist() == [0.0, 2.0]
    net(torch.tensor([5.0]))
    assert features['x'].tolist() == [0.0, 2.0]
    assert not net[0]._forward_hooks


def test_taps__are_taken_off_after_an_error():
    net = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(RuntimeError), Taps(net, {'x': '0'}):
        net(torch.zeros(1, 3))
    assert not net[0]._forward_hooks
