# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from torch import nn

from model_tools.networks.panoptic_net import PanopticNet
from model_tools.training.common_norm import CommonBatchNorm, share_batchnorms


@pytest.fixture
def norms():
    """Return an ordinary BatchNorm that has learned something, and the same as a common one."""
    torch.manual_seed(1)
    own = nn.BatchNorm2d(3, eps=1e-3, momentum=0.1)
    nn.init.uniform_(own.weight, 0.5, 2)
    nn.init.normal_(own.bias)
    common = copy.deepcopy(own)
    share_batchnorms(nn.Sequential(common))
    assert isinstance(common, CommonBatchNorm)
    return own, common


@pytest.mark.parametrize(
    ('dtype', 'mean', 'tolerance'),
    [(torch.float32, 0, 1e-5), (torch.float32, 100, 1e-3), (torch.bfloat16, 1, 0.05)],
)
def test_common_batchnorm__of_one_process_is_an_ordinary_one(norms, dtype, mean, tolerance):
    for _ in range(3):  # steps
        x = (mean + torch.randn(4, 3, 6, 5)).to(dtype)
        wanted = torch.randn(x.shape)
        found = []
        for norm in norms:
            image = x.clone().requires_grad_()
            norm.zero_grad()
            y = norm(image)
            (y * wanted).sum().backward()
            assert y.dtype == image.grad.dtype == dtype
            statistics = (norm.running_mean, norm.running_var, norm.num_batches_tracked)
            found.append((y, image.grad, norm.weight.grad, norm.bias.grad, *statistics))
        torch.testing.assert_close(found[1], found[0], rtol=tolerance, atol=tolerance)


def test_common_batchnorm__constant_channels_stay_finite(norms):
    y = norms[1](torch.full((2, 3, 4, 4), 255.0))
    torch.testing.assert_close(y, norms[1].bias[:, None, None].expand_as(y), rtol=0, atol=1e-3)


def test_common_batchnorm__in_evaluation_is_an_ordinary_one(norms):
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(norms[0].eval()(x), norms[1].eval()(x))


def test_share_batchnorms__names_and_weights_stay(small_network):
    net = PanopticNet(small_network)
    before = net.state_dict()
    share_batchnorms(net)
    after = net.state_dict()
    assert list(after) == list(before)
    assert all(after[name].data_ptr() == before[name].data_ptr() for name in before)
    kinds = {type(m) for m in net.modules() if isinstance(m, nn.BatchNorm2d)}
    assert kinds == {CommonBatchNorm}
