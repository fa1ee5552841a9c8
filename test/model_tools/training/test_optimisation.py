# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from model_tools.training.config import TrainingConfig
from model_tools.training.optimisation import AveragedNet, make_optimizer, rate_factor, set_rate


@pytest.mark.parametrize(
    ('step', 'expected'),
    [
        (0, 0.1),
        (9, 1.0),
        (10, 0.01 + 0.99 * (1 + 0.5**0.5) / 2),  # a quarter of the way
        (20, 0.01 + 0.99 / 2),
        (40, 0.01),
        (99, 0.01),
    ],
)
def test_rate_factor(step, expected):
    assert rate_factor(step, warmup_steps=10, total_steps=40) == pytest.approx(expected)


def test_rate_factor__without_warm_up():
    assert rate_factor(0, warmup_steps=0, total_steps=40) == 1


def test_make_optimizer__groups():
    net = nn.ModuleDict({'stem': nn.Linear(2, 3), 'stem2': nn.Linear(3, 1)})
    extra = nn.ParameterDict({'s': torch.zeros(3)})
    config = TrainingConfig(
        data='d', learning_rate=0.1, warm_start_rate=0.5, weight_decay=0.3, warmup_steps=0
    )
    optimizer = make_optimizer(net, extra, config, ['stem'])
    set_rate(optimizer, 0.2)
    found = {
        id(p): (group['lr'], group['weight_decay'])
        for group in optimizer.param_groups
        for p in group['params']
    }
    expected = {
        net['stem'].weight: (0.01, 0.3),
        net['stem'].bias: (0.01, 0.0),
        net['stem2'].weight: (0.02, 0.3),
        net['stem2'].bias: (0.02, 0.0),
        extra['s']: (0.02, 0.0),
    }
    assert found == {id(p): pytest.approx(values) for p, values in expected.items()}


@pytest.mark.parametrize(
    ('step', 'expected'),
    [
        (0, 1 - 1 / 10),  # nearly the current value
        (90, 1 - 91 / 100),
        (100_000, 0.01),  # the decay asked for
    ],
)
def test_averaged_net__forgets_the_start(step, expected):
    net = nn.BatchNorm1d(2)
    averaged = AveragedNet(net, decay=0.99)
    with torch.no_grad():
        net.weight.add_(1)
        net.running_mean.add_(1)
        net.num_batches_tracked.add_(7)
    averaged.update(net, step)
    torch.testing.assert_close(averaged.net.weight, torch.full((2,), 1 + expected))
    torch.testing.assert_close(averaged.net.running_mean, torch.full((2,), expected))
    assert averaged.net.num_batches_tracked == 7
    assert not averaged.net.training
    assert not averaged.net.weight.requires_grad
