# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch
from torch import nn

from model_tools.networks.config import NetworkConfig
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.networks.refit import RefitError, _least_squares, _patches, refit

DONOR = NetworkConfig(
    convolution='separable',
    activation='silu',
    backbone_widths=(8, 8, 16, 16, 32),
    backbone_depths=(1, 1, 1, 1),
    detection_width=16,
    segmentation_width=16,
)


@pytest.fixture(scope='module')
def images():
    torch.manual_seed(1)
    coarse = torch.rand(24, 3, 8, 12)
    return nn.functional.interpolate(coarse, size=(64, 96), mode='bicubic').clamp(0, 1) * 255


@pytest.fixture(scope='module')
def donor(images):
    torch.manual_seed(0)
    net = PanopticNet(DONOR).train()
    with torch.no_grad():
        for _ in range(60):
            net(images)  # gives its BatchNorms statistics
    return net.eval()


def explained(net, donor, images):
    """Return the share of the variance of each output that `net` explains."""
    with torch.no_grad():
        found, wanted = net(images), donor(images)
    pairs = [
        (found.detection.logits, wanted.detection.logits),
        (found.drivable, wanted.drivable),
        (found.lane, wanted.lane),
    ]
    return [1 - float((a - b).square().mean() / b.var()) for a, b in pairs]


@pytest.mark.parametrize('activation', ['relu', 'silu', 'hardswish'])
def test_refit__the_new_network_answers_as_the_donor(donor, images, activation):
    torch.manual_seed(0)
    net = PanopticNet(replace(DONOR, convolution='dense', activation=activation))
    before = explained(net.eval(), donor, images)
    refit(net, donor, images)
    after = explained(net, donor, images)
    assert max(before) < 0.1
    assert min(after) > 0.65
    assert not any(m._forward_hooks for n in (net, donor) for m in n.modules())


def test_refit__the_same_kind_of_network_is_copied(images):
    torch.manual_seed(0)
    config = replace(DONOR, convolution='dense')
    donor, net = PanopticNet(config).eval(), PanopticNet(config)
    refit(net, donor, images)
    assert min(explained(net, donor, images)) > 0.9


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'convolution': 'separable'}, 'dense'),
        ({'backbone_depths': (1, 2, 1, 1)}, 'depth'),
        ({'segmentation_width': 8}, 'widths'),
        ({'labels': ('vehicle',)}, 'labels'),
    ],
)
def test_refit__another_shape_is_refused(donor, images, change, words):
    net = PanopticNet(replace(DONOR, **{'convolution': 'dense', **change}))
    with pytest.raises(RefitError, match=words):
        refit(net, donor, images)


def test_least_squares__finds_the_line_through_the_points():
    x = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    weight, bias = torch.tensor([[1.0], [-2.0], [0.5]]), torch.tensor([4.0])
    found, constant = _least_squares(x, x @ weight + bias)
    torch.testing.assert_close(found, weight, atol=0, rtol=0.02)  # the ridge shrinks it
    torch.testing.assert_close(constant, bias, atol=0, rtol=0.02)


@pytest.mark.parametrize(('kernel', 'stride'), [(1, 1), (3, 1), (3, 2), (6, 2)])
def test_patches__the_convolution_is_a_product_with_them(kernel, stride):
    conv = nn.Conv2d(4, 5, kernel, stride, (kernel - 1) // 2, bias=False)
    x = torch.randn(2, 4, 12, 16)
    expected = conv(x).flatten(2).transpose(1, 2)  # (N, cells, 5)
    cells = torch.stack([torch.randperm(expected.shape[1])[:7] for _ in range(2)])
    found = _patches(x, conv, cells) @ conv.weight.flatten(1).T
    for image in range(2):
        torch.testing.assert_close(found[image], expected[image, cells[image]])
