# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch

from model_tools.networks.panoptic_net import PanopticNet
from model_tools.networks.parts import parts_of

IMAGE = torch.zeros(1, 3, 96, 160)
CELLS = {4: 24 * 40, 8: 12 * 20, 16: 6 * 10, 32: 3 * 5}


def _parts(config):
    return {part.name: part for part in parts_of(PanopticNet(config), IMAGE)}


@pytest.fixture
def parts(small_network):
    return _parts(small_network)


def test_parts_of__every_parameter_belongs_to_one_part(parts, small_network):
    assert list(parts) == ['backbone', 'encoder', 'detection', 'drivable', 'lane']
    net = PanopticNet(small_network)
    assert sum(p.parameters for p in parts.values()) == sum(p.numel() for p in net.parameters())


def test_parts_of__segmentation_head_by_hand(parts):
    # P3 has 16 channels, C2 has 8; the head is 16 wide.
    assert parts['drivable'].macs == (
        16 * 16 * CELLS[8]
        + 8 * 16 * CELLS[4]
        + 9 * 16 * 16 * CELLS[4]
        + 9 * 16 * 8 * CELLS[4]
        + 8 * CELLS[4]
    )
    weights = 16 * 16 + 8 * 16 + 9 * 16 * 16 + 9 * 16 * 8 + 8
    norms_and_bias = 2 * (16 + 16 + 16 + 8) + 1
    assert parts['drivable'].parameters == weights + norms_and_bias
    assert [tuple(t.shape) for t in parts['drivable'].arguments] == [
        (1, 16, 12, 20),
        (1, 8, 24, 40),
    ]


def test_parts_of__detection_head_by_hand(parts):
    assert parts['detection'].macs == sum(
        CELLS[stride] * (width * 16 + 4 * 9 * 16 * 16 + 16 * 3 + 16 * 4)
        for stride, width in ((8, 16), (16, 16), (32, 32))
    )


def test_parts_of__separable_convolution_and_attention_by_hand(small_network):
    plain = _parts(small_network)
    separable = _parts(replace(small_network, convolution='separable'))
    assert separable['detection'].macs == plain['detection'].macs - sum(
        cells * 4 * (9 * 16 * 16 - 9 * 16 - 16 * 16) for cells in (CELLS[8], CELLS[16], CELLS[32])
    )
    attentive = _parts(replace(small_network, attention=True))
    cells, width = CELLS[32], 32
    # Query, key, value, projection; expansion to twice the width and back; weights and their use.
    assert attentive['encoder'].macs - plain['encoder'].macs == (
        4 * width * width * cells + 4 * width * width * cells + 2 * cells * cells * width
    )
