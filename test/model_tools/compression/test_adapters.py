# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch
from torch import nn

from model_tools.compression.adapters import (
    Adapted,
    AdapterError,
    fit_removed,
    make_adapters,
    select_channels,
)
from model_tools.compression.distillation_losses import feature_loss
from model_tools.compression.taps import TAPS, Taps
from model_tools.networks.panoptic_net import PanopticNet


@pytest.fixture
def teacher(make_net):
    return make_net(0)


def distance(adapters, student, teacher, images):
    with torch.no_grad(), Taps(teacher) as wanted:
        teacher(images)
        own = Adapted(student, adapters)(images).features
    return feature_loss(own, wanted, reduce=lambda sums: sums).item()


def test_adapted__no_adapters_no_features(teacher, images):
    answer = Adapted(teacher, nn.ModuleDict())(images)
    assert answer.features == {}
    assert answer.output.lane.shape == (12, 1, 16, 24)


def test_make_adapters__from_the_widths_of_one_to_those_of_the_other(teacher, small_network):
    wide = PanopticNet(replace(small_network, backbone_widths=(8, 8, 32, 48, 64)))
    adapters = make_adapters(teacher, wide)
    shapes = {tap: (a.in_channels, a.out_channels) for tap, a in adapters.items()}
    widths = [(16, 32), (16, 48), (32, 64)]
    assert shapes == dict(zip(TAPS, widths + widths, strict=True))
    assert all(a.bias is None for a in adapters.values())


def test_select_channels__each_into_its_place(teacher):
    adapters = nn.ModuleDict({'C3': nn.Conv2d(2, 4, 1, bias=False)})
    select_channels(adapters, {'backbone.stage3.1.merge.0': torch.tensor([1, 3])})
    expected = [[0, 0], [1, 0], [0, 0], [0, 1]]
    assert adapters['C3'].weight[..., 0, 0].tolist() == expected


def test_select_channels__nothing_was_removed(teacher, images):
    adapters = make_adapters(teacher, teacher)
    assert distance(adapters, teacher, teacher, images) > 0.1
    select_channels(adapters, {})
    assert distance(adapters, teacher, teacher, images) == pytest.approx(0, abs=1e-3)
    fit_removed(adapters, teacher, teacher, images)
    assert torch.equal(adapters['C3'].weight[..., 0, 0], torch.eye(16))


@pytest.mark.parametrize(
    'kept', [{}, {'backbone.stage3.1.merge.0': [1, 2, 3]}, {'backbone.stage3.1.merge.0': [1, 4]}]
)
def test_select_channels__keep_map_of_another(kept):
    adapters = nn.ModuleDict({'C3': nn.Conv2d(2, 4, 1)})
    message = r'backbone\.stage3\.1\.merge\.0: the student has 2 channels, its keep-map \d of'
    with pytest.raises(AdapterError, match=message):
        select_channels(adapters, {name: torch.tensor(index) for name, index in kept.items()})


def test_fit_removed__finds_the_channel_that_says_the_same(teacher, images):
    adapters = make_adapters(teacher, teacher)
    select_channels(adapters, {})
    with torch.no_grad():
        adapters['C3'].weight[[3, 5]] = 0.0
    kept = [i for i in range(16) if i not in (3, 5)]
    fit_removed(adapters, teacher, teacher, images)
    weight = adapters['C3'].weight[..., 0, 0]
    assert torch.equal(weight[kept], torch.eye(16)[kept])
    torch.testing.assert_close(weight[[3, 5]], torch.eye(16)[[3, 5]], rtol=0, atol=0.1)
    assert distance(adapters, teacher, teacher, images) < 1e-3


def test_fit_removed__as_good_as_least_squares_can_be(teacher, images, make_net):
    student = make_net(9)
    adapters = make_adapters(student, teacher)
    with torch.no_grad():
        adapters['P4'].weight.zero_()
        with Taps(student) as own, Taps(teacher) as wanted:
            student(images)
            teacher(images)
    fit_removed(adapters, student, teacher, images)
    x, y = (f['P4'].transpose(0, 1).flatten(1).T.double() for f in (own, wanted))
    x, y = x - x.mean(0), y - y.mean(0)
    best = (y - x @ torch.linalg.lstsq(x, y).solution).square().sum()
    found = (y - x @ adapters['P4'].weight[..., 0, 0].double().T).square().sum()
    assert best <= found < 1.05 * best
