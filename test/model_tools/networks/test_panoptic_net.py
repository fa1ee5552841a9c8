# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from model_tools.networks.blocks import SPPF
from model_tools.networks.heads import cell_centres
from model_tools.networks.panoptic_net import NetworkConfig, PanopticNet

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
    block = SPPF(8, 8).eval()
    pools = [block.pool(x)]
    pools.append(block.pool(pools[-1]))
    pools.append(block.pool(pools[-1]))
    for pooled, window in zip(pools, (5, 9, 13), strict=True):
        expected = torch.nn.functional.max_pool2d(x, window, 1, window // 2)
        torch.testing.assert_close(pooled, expected)


def test_network_config__round_trip_through_plain_values():
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in SMALL.to_dict().items()}
    assert NetworkConfig.from_dict(values) == SMALL


def test_network_config__unknown_key():
    with pytest.raises(TypeError, match='widht'):
        NetworkConfig.from_dict({'widht': 3})
