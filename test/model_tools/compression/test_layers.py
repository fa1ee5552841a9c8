# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from model_tools.compression.layers import layers_of
from model_tools.networks.config import NetworkConfig
from model_tools.networks.panoptic_net import PanopticNet


class Toy(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.SiLU(inplace=True)
        )
        self.plain = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.up = nn.ConvTranspose2d(8, 2, 2, 2)

    def forward(self, x):
        x = self.stem(x)
        y = self.up(torch.cat((x, self.plain(x) + x), 1)).relu()
        bilinear = F.interpolate(y, scale_factor=2.0, mode='bilinear', align_corners=False)
        return bilinear + F.interpolate(y, scale_factor=2.0, mode='nearest')


def test_layers_of__in_order_with_shapes():
    assert [layer.key for layer in layers_of(Toy(), (16, 8))] == [
        'ConvSilu, 1 x 3 x 8 x 16, 4 x 3 x 3 x 3, strides (2, 2), pads (1, 1, 1, 1), '
        'dilations (1, 1), group 1',
        'Conv, 1 x 4 x 4 x 8, 4 x 1 x 3 x 3, strides (1, 1), pads (1, 1, 1, 1), '
        'dilations (1, 1), group 4',
        'Concat, 1 x 4 x 4 x 8, 1 x 4 x 4 x 8, axis 1',
        'ConvTransposeRelu, 1 x 8 x 4 x 8, 8 x 2 x 2 x 2, strides (2, 2), pads (0, 0, 0, 0), '
        'dilations (1, 1), group 1, output_padding (0, 0)',
        'Resize, 1 x 2 x 8 x 16, 1 x 2 x 16 x 32, mode linear, '
        'coordinate_transformation_mode half_pixel',
        'Resize, 1 x 2 x 8 x 16, 1 x 2 x 16 x 32, mode nearest, '
        'coordinate_transformation_mode asymmetric, nearest_mode floor',
    ]


def test_layers_of__nothing():
    assert layers_of(nn.Identity(), (16, 8)) == []


@pytest.mark.parametrize(('size', 'activation'), [('n', 'silu'), ('n', 'relu'), ('s', 'relu')])
@pytest.mark.parametrize('training', [False, True])
def test_layers_of__every_convolution_with_its_activation(size, activation, training):
    config = NetworkConfig.from_dict({'size': size, 'activation': activation})
    net = PanopticNet(config).train(training)
    layers = [layer for layer in layers_of(net, (96, 64)) if layer.is_convolution]
    assert len(layers) == sum(isinstance(m, nn.Conv2d) for m in net.modules())
    activated = [layer for layer in layers if layer.activation]
    assert {layer.activation for layer in activated} == {activation.capitalize()}
    assert len(layers) - len(activated) == 8  # logits and distances of 3 strides, two masks
