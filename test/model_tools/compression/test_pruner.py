# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model_tools.compression.costs import Parameters
from model_tools.compression.pruner import Pruner
from model_tools.compression.selection import BudgetError
from model_tools.data.label_set import load_label_set
from model_tools.data.problems import DatasetError
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.training.input import load_input


class CostlySilu(Parameters):
    """Parameters, which count ten times before a SiLU."""

    def __call__(self, net):
        return super().__call__(net) * (10 if net.config.activation == 'silu' else 1)


@pytest.fixture
def data(config):
    training = replace(config.training, distillation=None)
    return load_input(
        training,
        load_label_set('default'),
        Path(training.cache),
        device=torch.device('cpu'),
        quiet=True,
    )


@pytest.fixture
def make_pruner(config):
    return lambda net, **changes: Pruner(replace(config, **changes), CostlySilu(), net)


@pytest.mark.parametrize('cost_power', [0.0, 0.3])
def test_pruner__costs_are_those_of_the_students_activation(
    training, make_pruner, data, cost_power
):
    torch.manual_seed(0)
    net = PanopticNet(replace(training.network, activation='silu'))
    whole = Parameters()(net)
    pruner = make_pruner(net, activation='relu', cost_power=cost_power)
    pruner.check_reachable(net, 0.5 * whole)
    pruned = pruner.prune(net, {}, data, budget=0.5 * whole).net
    assert 0.35 * whole < Parameters()(pruned) <= 0.5 * whole
    assert pruned.config.activation == 'silu', 'it fades later'
    as_it_is = make_pruner(net, cost_power=cost_power)
    with pytest.raises(BudgetError):
        as_it_is.check_reachable(net, 0.5 * whole)
    with pytest.raises(BudgetError):
        as_it_is.prune(net, {}, data, budget=0.5 * whole)


def test_pruner__says_what_keeps_the_channels(training, make_pruner, data):
    torch.manual_seed(0)
    net = PanopticNet(replace(training.network, activation='relu'))
    whole = Parameters()(net)
    groups = make_pruner(net).prune(net, {}, data, budget=whole).keep
    for veto_share, spared, words in (
        (0.9, (), 'what veto_share 0.9 keeps'),
        (0.0, groups, 'what the sparing of groups keeps'),
        (0.9, groups, 'what veto_share 0.9 and the sparing of groups keeps'),
    ):
        pruner = make_pruner(net, veto_share=veto_share)
        with pytest.raises(BudgetError, match=words):
            pruner.prune(net, {}, data, budget=0.5 * whole, spared=spared)


def test_check_calibration__too_few_images(training, make_pruner, data):
    net = PanopticNet(training.network)
    count = 4 * len(data.real)  # of `repeats`
    make_pruner(net, calibration_batch_size=count).check_calibration(data)
    with pytest.raises(DatasetError, match=f'found {count} to .* lower calibration_batch_size'):
        make_pruner(net, calibration_batch_size=count + 1).check_calibration(data)
