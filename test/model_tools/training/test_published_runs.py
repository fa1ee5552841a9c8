# SPDX-License-Identifier: Apache-2.0
"""What is published of training still is what `train` takes."""

import importlib
from pathlib import Path

import pytest

from model_tools.networks.warm_start import ACTIVATION
from model_tools.settings import read_value
from model_tools.training.checkpoint import load_checkpoint
from model_tools.training.config import load_config, training_config
from model_tools.training.places import PATHS

ROOT = Path(__file__).parents[3]


@pytest.fixture
def script(monkeypatch):
    """Return what imports one of the scripts that made the published results."""
    monkeypatch.syspath_prepend(ROOT / 'docs' / 'results' / 'teacher')
    return importlib.import_module


def check(settings, tmp_path):
    """Read settings as the command does; public weights need their own activation."""
    path = tmp_path / 'base.yaml'
    path.write_text('{}')
    values = {key: read_value(key, text) for key, text in settings.items()}
    config = load_config(path, {'data': 'd', **values})
    assert not config.warm_start or config.network.activation == ACTIVATION


def test_trials__settings_can_be_trained_with(script, tmp_path):
    trials = script('trials')
    for change in trials.TRIALS.values():
        check(trials.settings_of('yolox.onnx', 'erfurt', change), tmp_path)


def test_data_size__settings_can_be_trained_with(script, tmp_path):
    data_size = script('data_size')
    for epochs in data_size.EPOCHS.values():
        change = data_size.change_of(epochs)
        check(data_size.settings_of('yolox.onnx', 'erfurt', change), tmp_path)


def test_teacher__settings_are_those_that_its_weights_record():
    written = load_config(ROOT / 'config' / 'teacher.yaml', {'data': 'd'})
    state = load_checkpoint(ROOT / 'model_tools' / 'weights' / 'teacher.pt')
    # Read as settings: those that did not exist then had today's defaults.
    recorded = training_config(state['training'], 'teacher.pt')
    assert _placeless(written) == _placeless(recorded)


def _placeless(config):
    return {key: value for key, value in config.to_dict().items() if key not in PATHS}
