# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from model_tools.compression.recalibration import RecalibrationError, recalibrate


def images(*values):
    return [torch.tensor(batch, dtype=torch.float32).view(-1, 1, 1, 1) for batch in values]


@pytest.fixture
def net():
    net = nn.Sequential(nn.BatchNorm2d(1, momentum=0.03), nn.Dropout(0.5))
    net[0].running_mean.fill_(100.0)
    return net.eval()


def test_recalibrate__mean_over_batches(net):
    recalibrate(net, images([0, 2], [4, 8]))
    # means 1 and 6, unbiased variances 2 and 8
    assert net[0].running_mean.tolist() == [3.5]
    assert net[0].running_var.tolist() == [5.0]
    assert net[0].num_batches_tracked == 2
    assert net[0].momentum == 0.03
    assert not any(module.training for module in net.modules())


def test_recalibrate__restores_each_mode(net):
    net.train()
    net[0].eval()
    recalibrate(net, iter(images([1, 3])))
    assert [module.training for module in net.modules()] == [True, False, True]
    assert net[0].running_mean.tolist() == [2.0]


def test_recalibrate__only_norms_are_in_training_mode(net):
    seen = []
    net.append(nn.Identity())
    net[2].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    recalibrate(net, images([1, 3]))
    torch.testing.assert_close(seen[0].flatten(), torch.tensor([-1.0, 1.0]), rtol=1e-4, atol=0)


def test_recalibrate__without_images_nothing_changes(net):
    with pytest.raises(RecalibrationError, match='no image'):
        recalibrate(net, [])
    assert net[0].running_mean.tolist() == [100.0]


def test_recalibrate__modes_are_restored_after_an_error(net):
    with pytest.raises(ValueError, match='more than 1 value'):
        recalibrate(net, images([1]))
    assert not net[0].training
    assert net[0].momentum == 0.03
