# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from model_tools.networks.blocks import ACTIVATIONS, SPPF, Blocks
from model_tools.networks.config import SIZES, NetworkConfig
from model_tools.networks.heads import cell_centres
from model_tools.networks.panoptic_net import PanopticNet

SMALL = NetworkConfig(
    backbone_widths=(8, 8, 16, 16, 32),
    backbone_depths=(1, 1, 1, 1),
    detection_width=16,
    segmentation_width=16,
)


def test_panoptic_net__shapes_of_every_output():
    output = PanopticNet(SMALL).eval()(torch.zeros(2, 3, 64, 96))
    cells = (64 // 8) * (96 // 8) + (64 // 16) * (96 // 16) + (64 // 32) * (96 // 32)
    assert output.detection.logits.shape == (2, cells, 3)
    assert output.detection.boxes.shape == (2, cells, 4)
    assert output.drivable.shape == output.lane.shape == (2, 1, 16, 24)


def test_panoptic_net__boxes_surround_their_cells():
    boxes = PanopticNet(SMALL).eval()(torch.rand(1, 3, 64, 96) * 255).detection.boxes[0]
    centres = cell_centres(64, 96)[:, :2]
    assert (boxes[:, :2] < centres).all()
    assert (boxes[:, 2:] > centres).all()


def test_cell_centres__first_and_last_of_each_stride():
    cells = cell_centres(64, 96)
    assert cells[0].tolist() == [4, 4, 8]
    assert cells[95].tolist() == [92, 60, 8]
    assert cells[96].tolist() == [8, 8, 16]
    assert cells[-1].tolist() == [80, 48, 32]


def test_sppf__chained_pools_equal_windows_of_5_9_13():
    x = torch.rand(1, 4, 16, 16)
    block = SPPF(Blocks('dense', 'relu'), 8, 8).eval()
    pools = [block.pool(x)]
    pools.append(block.pool(pools[-1]))
    pools.append(block.pool(pools[-1]))
    for pooled, window in zip(pools, (5, 9, 13), strict=True):
        expected = torch.nn.functional.max_pool2d(x, window, 1, window // 2)
        torch.testing.assert_close(pooled, expected)


@pytest.mark.parametrize(
    ('size', 'millions', 'giga_macs'),
    [('n', 0.931, 1.189), ('s', 2.276, 2.515), ('m', 8.215, 7.724), ('l', 20.237, 19.720)],
)
def test_sizes__parameters_and_multiplications(size, millions, giga_macs):
    net = PanopticNet(NetworkConfig.from_dict({'size': size})).eval()
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        net(torch.zeros(1, 3, 192, 320))
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, abs=1e-3)
    assert counter.get_total_flops() / 2 * 4 / 1e9 == pytest.approx(giga_macs, abs=1e-3)


@pytest.mark.parametrize('size', SIZES)
def test_sizes__kinds_of_convolutions(size):
    net = PanopticNet(NetworkConfig.from_dict({'size': size}))
    grouped = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d) and m.groups > 1]
    assert bool(grouped) == (size == 'n')
    activations = {type(m) for m in net.modules() if type(m) in ACTIVATIONS.values()}
    assert activations == {torch.nn.ReLU}
