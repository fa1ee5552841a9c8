# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import yaml

from model_tools.compression.distillation import Distillation
from model_tools.data.augmentation import TRAINING
from model_tools.networks.config import NetworkConfig
from model_tools.settings import ConfigError, read_value
from model_tools.training.checkpoint import CheckpointError, save_checkpoint
from model_tools.training.config import TrainingConfig, load_config


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / 'train.yaml'
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'data is .., expected a folder or tar'),
        ('{data: d, epoch: 3}', r"unknown keys \['epoch'\]"),
        ('{data: d, network: {widths: 3}}', r"unknown keys \['widths'\]"),
        ('{data: d, network: {size: xl}}', "size is 'xl'"),
        ('{data: d, network: s}', "network is 's', expected a mapping"),
        ('{data: d, augmentation: {mosaics: 0}}', r"unknown keys \['mosaics'\]"),
        ('{data: d, augmentation: {mosaic: 2}}', 'augmentation.mosaic is 2'),
        ('[1, 2]', 'expected a mapping'),
        ('{data: [', r"train\.yaml': expected YAML: while parsing"),
        ('{data: 3}', 'data is 3'),
        ('{data: d, epochs: many}', "epochs is 'many', expected a whole number of at least 1"),
        ('{data: d, epochs: 0}', 'epochs is 0'),
        ('{data: d, epochs: true}', 'epochs is True'),
        ('{data: d, seed: 9999999999}', 'seed is 9999999999, expected .* below 2.31'),
        ('{data: d, epochs: 0, seed: -1}', 'epochs is 0, .*; seed is -1'),
        ('{data: d, input_wh: [100, 100]}', 'input_wh'),
        ('{data: d, input_wh: 640}', 'input_wh is 640, expected width and height'),
        ('{data: d, canvas_wh: [0, 2]}', 'canvas_wh'),
        ('{data: d, input_wh: [320000, 320000]}', 'multiples of 32 up to 8192'),
        ('{data: d, synthetic_share: 1.0}', 'synthetic_share is 1.0, expected .* below 1'),
        ('{data: d, learning_rate: fast}', "learning_rate is 'fast'"),
        ('{data: d, learning_rate: .nan}', 'learning_rate is nan'),
        ('{data: d, learning_rate: .inf}', 'learning_rate is inf'),
        ('{data: d, precision: 16}', "expected 'bf16-mixed' or '32-true'"),
        ('{data: d, task_weights: free}', "expected 'fixed' or 'learned'"),
        ('{data: d, holdout_groups: erfurt}', 'expected a list of names'),
        ('{data: d, repeats: {camvid: x}}', 'repeats'),
        ('{data: d, distillation: {weigth: 2}}', r"distillation: unknown keys \['weigth'\]"),
        ('{data: d, distillation: t.pt}', "distillation is 't.pt', expected a mapping"),
        ('{data: d, start: a.pt, warm_start: b.onnx}', 'start are set'),
    ],
)
def test_load_config__refuses(write, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        load_config(write(text))
    assert '\n' not in str(caught.value)


def test_load_config__overrides_win_at_any_depth(write):
    path = write('{data: d, epochs: 3, network: {backbone_depths: [1, 1, 1, 1]}, repeats:}')
    overrides = {'epochs': 5, 'network.encoder_depth': 2, 'repeats.camvid': 3}
    config = load_config(path, {**overrides, 'augmentation.mosaic': 0})
    assert (config.data, config.epochs, config.repeats) == ('d', 5, {'camvid': 3})
    assert config.network == NetworkConfig(backbone_depths=(1, 1, 1, 1), encoder_depth=2)
    assert config.augmentation.mosaic == 0
    assert config.augmentation.flip == TRAINING.flip


@pytest.mark.parametrize(
    ('key', 'text', 'expected'),
    [
        ('epochs', '5', 5),
        ('learning_rate', '1e-3', 0.001),  # a text to YAML 1.1
        ('learning_rate', '2', 2.0),
        ('input_wh', '[320, 192]', (320, 192)),
        ('holdout_groups', '[a, b]', ('a', 'b')),
        ('synthetic', '', ''),
        ('synthetic', 'a/b', 'a/b'),
    ],
)
def test_load_config__values_given_as_text(write, key, text, expected):
    config = load_config(write('{data: d}'), {key: read_value(key, text)})
    assert getattr(config, key) == expected


@pytest.mark.parametrize(
    ('key', 'message'),
    [
        ('nettwork.size', r"unknown keys \['nettwork'\]"),
        ('network.sizes', r"unknown keys \['sizes'\]"),
        ('epochs.first', 'epochs is 3, expected a mapping'),
        ('', r"unknown keys \[''\]"),
    ],
)
def test_load_config__unknown_override(write, key, message):
    with pytest.raises(ValueError, match=message):
        load_config(write('{data: d, epochs: 3}'), {key: 's'})


def test_read_value__no_yaml():
    with pytest.raises(ConfigError, match=r"epochs: expected a YAML value, found '\[1'"):
        read_value('epochs', '[1')


def test_load_config__written_config_reads_back(tmp_path):
    network = NetworkConfig.from_dict({'size': 'n'})
    teacher = Distillation('t.pt', weight=0.5, adapters='random')
    config = TrainingConfig(
        data='d', holdout_groups=('a', 'b'), network=network, distillation=teacher
    )
    path = tmp_path / 'config.yaml'
    path.write_text(yaml.safe_dump(config.to_dict()))
    assert load_config(path) == config


def test_load_config__distillation_is_off_unless_a_key_of_it_is_given(write):
    path = write('{data: d, distillation:}')
    assert load_config(path).distillation is None
    given = load_config(path, {'distillation.teacher': 't.pt'})
    assert given.distillation == Distillation('t.pt')


@pytest.fixture
def start(tmp_path):
    """Write weights of an unusual network; return their path and its settings."""
    network = NetworkConfig(activation='silu', detection_width=32).to_dict()
    path = tmp_path / 'start.pt'
    parts = {'network': network, 'averaged': {}, 'epoch': 1, 'step': 1}
    save_checkpoint(path, {**parts, 'training': TrainingConfig(data='d').to_dict()})
    return path, network


def test_load_config__network_of_the_start(write, start):
    path, network = start
    config = load_config(write('{data: d, int8: true}'), {'start': str(path)})
    assert config.network == NetworkConfig.from_dict(network)
    fading = load_config(write(f'{{data: d, start: {path}, fade_share: 0.3}}'))
    assert fading.network == NetworkConfig.from_dict({**network, 'activation': 'relu'})


def test_load_config__network_that_is_given_beside_a_start(write, start):
    config = load_config(write('{data: d, network: {size: n}}'), {'start': str(start[0])})
    assert config.network == NetworkConfig.from_dict({'size': 'n'})


def test_load_config__no_start_where_it_is_said_to_be(write):
    with pytest.raises(CheckpointError, match=r"'nowhere\.pt': no such checkpoint"):
        load_config(write('{data: d, start: nowhere.pt}'))


@pytest.mark.parametrize('name', ['training', 'teacher', 'int8', 'tiny'])
def test_shipped_settings__load(name):
    path = Path(__file__).parents[3] / 'config' / f'{name}.yaml'
    config = load_config(path, {'data': 'd'})
    assert config.network.labels == ('vehicle', 'person', 'cycle')
    assert config.input_wh[0] % 32 == 0
