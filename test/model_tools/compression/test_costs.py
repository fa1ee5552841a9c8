# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from model_tools.compression.costs import Macs, Parameters, make_cost
from model_tools.compression.latency import LatencyError, LatencyTable
from model_tools.networks.config import NetworkConfig
from model_tools.networks.panoptic_net import PanopticNet

EXAMPLE = torch.zeros(1, 3, 8, 16)


@pytest.fixture
def net():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1)
    )


def test_parameters__worked_by_hand(net):
    assert Parameters()(net) == 4 * 27 + 8 + 8 + 2
    assert Parameters()(nn.Identity()) == 0


def test_macs__worked_by_hand(net):
    assert Macs(EXAMPLE)(net) == 4 * 8 * (4 * 27 + 4 * 2)
    assert Macs(EXAMPLE)(nn.Identity()) == 0


def test_macs__attention_counts():
    """Four projections, a hidden layer of twice the width, and two products of all cells."""
    cells, width = 2 * 3, 32
    costs = []
    for attention in (False, True):
        config = NetworkConfig(backbone_widths=(8, 8, 16, 16, width), attention=attention)
        costs.append(Macs(torch.zeros(1, 3, 64, 96))(PanopticNet(config)))
    assert costs[1] - costs[0] == cells * (4 + 2 * 2) * width**2 + 2 * cells**2 * width


def test_make_cost__by_name_of_budget(tmp_path):
    assert make_cost('params', EXAMPLE, None).name == 'params'
    assert make_cost('macs', EXAMPLE, None).name == 'macs'
    latency = make_cost('latency', EXAMPLE, tmp_path / 'table.json')
    assert isinstance(latency, LatencyTable)
    assert latency.name == 'latency'
    latency(nn.Conv2d(3, 4, 1))
    with pytest.raises(LatencyError, match="engine was 'onnxruntime', is 'openvino'"):
        make_cost('latency', EXAMPLE, tmp_path / 'table.json', 'openvino')
