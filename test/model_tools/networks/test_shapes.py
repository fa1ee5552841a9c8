# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from model_tools.networks.panoptic_net import PanopticNet
from model_tools.networks.shapes import run_on_shapes


def test_run_on_shapes__of_every_output_and_nothing_changes(small_network):
    net = PanopticNet(small_network).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    output = run_on_shapes(net, (2, 3, 64, 96))
    assert output.detection.boxes.shape == (2, 126, 4)
    assert output.lane.shape == (2, 1, 16, 24)
    assert output.lane.device.type == 'meta'
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_run_on_shapes__layers_that_do_not_fit():
    with pytest.raises(RuntimeError, match='channel'):
        run_on_shapes(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(5, 4, 1)), (1, 3, 8, 8))
