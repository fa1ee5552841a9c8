# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import yaml

from model_tools.compression.config import load_compression
from model_tools.settings import ConfigError

GIVEN = {'teacher': 'teacher.pt', 'training.data': 'roads'}
SHIPPED = Path(__file__).parents[3] / 'config' / 'compression.yaml'


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / 'compression.yaml'
        path.write_text(text)
        return path

    return write


def test_load_compression__shipped_settings():
    config = load_compression(SHIPPED, GIVEN)
    assert (config.budget, config.keep, config.rounds) == ('latency', 0.5, 3)
    assert config.training.distillation.adapters == 'selection'
    assert config.training.data == 'roads'


def test_load_compression__reads_what_it_wrote(write):
    config = load_compression(SHIPPED, {**GIVEN, 'training.epochs': 2, 'keep': 0.67})
    assert config.training.epochs == 2
    assert load_compression(write(yaml.safe_dump(config.to_dict()))) == config


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('', 'data is'),
        ('{training: {data: d}}', 'teacher is .*: give --teacher'),
        ('{teacher: t, training: {data: d}, kep: 0.5}', r"unknown keys \['kep'\]"),
        ('{teacher: t, training: {data: d, epoch: 1}}', r"training: unknown keys \['epoch'\]"),
        ('{teacher: t, training: {data: d}, keep: 0}', 'keep is 0, expected a number above 0'),
        ('{teacher: t, training: {data: d}, keep: 1.5}', 'at most 1'),
        ('{teacher: t, training: {data: d}, budget: ms}', "'params' or 'macs' or 'latency'"),
        ('{teacher: t, training: {data: d}, criterion: best}', "'taylor_sum'"),
        ('{teacher: t, training: {data: d}, cost_power: -1}', 'at least 0 and at most 4'),
        ('{teacher: t, training: {data: d}, cost_power: 60}', 'cost_power is 60, expected'),
        ('{teacher: t, training: {data: d}, allowed_fall: -1}', 'allowed_fall is -1'),
        ('{teacher: t, training: {data: d, start: a.pt}}', 'begins with the pruned network'),
        ('{teacher: t, training: [1]}', 'training is .* expected a mapping'),
    ],
)
def test_load_compression__refuses(write, text, words):
    with pytest.raises(ConfigError, match=words):
        load_compression(write(text))


def test_load_compression__refuses_unknown_distillation(write):
    text = '{teacher: t, training: {data: d, distillation: {weigth: 1}}}'
    with pytest.raises(ConfigError, match='weigth'):
        load_compression(write(text))
