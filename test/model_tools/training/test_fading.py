# SPDX-License-Identifier: Apache-2.0
"""Runs in which SiLU becomes ReLU."""

from dataclasses import replace

import pytest
import torch

from model_tools.networks.activations import FadingSiLU
from model_tools.settings import ConfigError
from model_tools.training import trainer as module
from model_tools.training.checkpoint import CheckpointError, load_checkpoint, load_network
from model_tools.training.trainer import train


@pytest.fixture(scope='module')
def starts(config, tmp_path_factory):
    """Return weights of networks with SiLU and with ReLU by activation."""
    made = {}
    for activation in ('silu', 'relu'):
        out = tmp_path_factory.mktemp(activation)
        network = replace(config.network, activation=activation)
        train(replace(config, epochs=1, network=network), out)
        made[activation] = str(out / 'weights.pt')
    return made


@pytest.fixture
def fading(config, starts):
    """Return settings of 6 steps, of which half fade."""
    network = replace(config.network, activation='relu')
    return replace(config, start=starts['silu'], network=network, fade_share=0.5)


def test_train__fades_step_by_step(fading, tmp_path, monkeypatch):
    seen = []

    class Learner(module.Learner):
        def learn(self, *arguments, **options):
            nets = (self._net, self.averaged.net)
            seen.append([
                {m.temperature for m in net.modules() if isinstance(m, FadingSiLU)}
                for net in nets
            ])  # fmt: skip
            return super().learn(*arguments, **options)

    monkeypatch.setattr(module, 'Learner', Learner)
    train(fading, tmp_path)
    assert seen == [[{t}, {t}] for t in (1.0, 1 - 1 / 3, 1 - 2 / 3, 0.0, 0.0, 0.0)]
    assert load_network(tmp_path / 'weights.pt').config.activation == 'relu'


def test_train__fading_goes_on_where_it_was_left(fading, tmp_path):
    train(fading, tmp_path / 'whole')
    train(fading, tmp_path / 'cut', stop_after=1)
    with pytest.raises(CheckpointError, match='its activations are still fading'):
        load_network(tmp_path / 'cut' / 'last.pt')
    other = replace(fading, fade_share=0.0, start=str(tmp_path / 'cut' / 'last.pt'))
    with pytest.raises(CheckpointError, match='its activations are still fading'):
        train(other, tmp_path / 'other')
    train(fading, tmp_path / 'cut')
    whole, cut = (load_checkpoint(tmp_path / name / 'last.pt') for name in ('whole', 'cut'))
    for name, tensor in whole['averaged'].items():
        assert torch.equal(tensor, cut['averaged'][name]), name


def test_train__a_start_that_cannot_fade(fading, starts, tmp_path):
    with pytest.raises(
        ConfigError, match=r"activation of '.*weights\.pt' is 'relu', expected 'si"
    ):
        train(replace(fading, start=starts['relu']), tmp_path)
    with pytest.raises(CheckpointError, match=r"network\.activation is 'silu', expected 'relu'"):
        train(replace(fading, fade_share=0.0), tmp_path)
    assert not list(tmp_path.glob('*.pt'))


def test_config__fading_needs_a_start_and_relu(fading):
    with pytest.raises(ConfigError, match=r'fade_share is 0\.5, expected 0 without a start'):
        replace(fading, start='')
    with pytest.raises(ConfigError, match=r'fade_share is 0\.5, expected 0 without a start'):
        replace(fading, network=replace(fading.network, activation='silu'))
