# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from model_tools.compression.recalibration import recalibrate
from model_tools.networks.panoptic_net import PanopticNet


@pytest.fixture
def images():
    """Return 12 images of noise, 96x64."""
    return torch.rand(12, 3, 64, 96, generator=torch.Generator().manual_seed(1)) * 255


@pytest.fixture
def make_net(small_network, images):
    """Return what makes a network of random weights by seed, whose deep features vary enough."""

    def make(seed):
        torch.manual_seed(seed)
        net = PanopticNet(small_network).eval()
        recalibrate(net, [images])
        return net

    return make
