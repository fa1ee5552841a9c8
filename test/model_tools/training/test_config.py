# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import yaml

from model_tools.training.config import ConfigError, TrainingConfig, load_config


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{data: d, epoch: 3}', r"unknown keys \['epoch'\]"),
        ('[1, 2]', 'expected a mapping'),
        ('{data: [', r"train\.yaml': expected YAML: while parsing"),
        ('{epochs: 3}', 'data'),
        ('{data: d, epochs: many}', 'epochs'),
        ('{data: d, epochs: 0}', 'epochs'),
        ('{data: d, input_wh: [100, 100]}', 'input_wh'),
        ('{data: d, synthetic_share: 1.0}', 'synthetic_share'),
    ],
)
def test_load_config__refuses(tmp_path, text, message):
    path = tmp_path / 'train.yaml'
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_load_config__overrides_win(tmp_path):
    path = tmp_path / 'train.yaml'
    path.write_text('{data: d, epochs: 3, network: {backbone_depths: [1, 1, 1, 1]}}')
    config = load_config(path, epochs=5, data=None)
    assert (config.data, config.epochs) == ('d', 5)
    assert config.network.backbone_depths == (1, 1, 1, 1)


def test_load_config__written_config_reads_back(tmp_path):
    config = TrainingConfig(data='d', holdout_groups=('a', 'b'))
    path = tmp_path / 'config.yaml'
    path.write_text(yaml.safe_dump(config.to_dict()))
    assert load_config(path) == config


def test_shipped_settings__load():
    path = Path(__file__).parents[3] / 'config' / 'training.yaml'
    config = load_config(path, data='d')
    assert config.network.labels == ('vehicle', 'person', 'cycle')
    assert config.input_wh == (640, 384)
