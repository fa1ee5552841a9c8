# SPDX-License-Identifier: Apache-2.0
import torch

from model_tools.networks.attention import GlobalAttention, positions
from model_tools.networks.config import NetworkConfig
from model_tools.networks.panoptic_net import PanopticNet


def test_positions__first_cell_and_symmetry():
    table = positions(2, 3, 8)
    assert table.shape == (6, 8)
    # Column 0, row 0: sines are 0, cosines 1; each axis holds two sines, then two cosines.
    assert table[0].tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    torch.testing.assert_close(table[1, 0], torch.tensor(1.0).sin())  # one column to the right
    torch.testing.assert_close(table[3, 4], torch.tensor(1.0).sin())  # one row down


def test_global_attention__every_cell_sees_every_other():
    torch.manual_seed(0)
    block = GlobalAttention(32).eval()
    x = torch.randn(1, 32, 3, 4, requires_grad=True)
    block(x)[0, :, 0, 0].sum().backward()
    assert x.grad.shape == x.shape
    assert (x.grad.abs().sum((0, 1)) > 0).all()


def test_global_attention__another_input_size_needs_no_other_weights():
    torch.manual_seed(0)
    net = PanopticNet(
        NetworkConfig(
            backbone_widths=(8, 8, 16, 16, 32), backbone_depths=(1, 1, 1, 1), attention=True
        )
    ).eval()
    assert net(torch.zeros(1, 3, 64, 96)).drivable.shape == (1, 1, 16, 24)
    assert net(torch.zeros(1, 3, 128, 160)).drivable.shape == (1, 1, 32, 40)
