# SPDX-License-Identifier: Apache-2.0
import shutil
from dataclasses import replace

import pytest

from model_tools.settings import ConfigError
from model_tools.training import input_speed as module
from model_tools.training.input_speed import input_speed


@pytest.fixture
def quick(config):
    return replace(config, input_wh=(64, 64), canvas_wh=(64, 64), precision='32-true')


def test_input_speed__decodes_a_whole_batch_at_least(quick, monkeypatch):
    monkeypatch.setattr(module, 'SAMPLES', 2)
    assert input_speed(quick, steps=1)['batch_size'] == 4


def test_input_speed__a_broken_image_among_few_is_left_out(quick, road_folder, tmp_path):
    shutil.copytree(road_folder, tmp_path / 'roads')
    (tmp_path / 'roads' / 'images' / 'train' / 'road_3.jpg').write_bytes(b'cut')
    assert input_speed(replace(quick, data=str(tmp_path / 'roads')), steps=1)['steps'] == 1


def test_input_speed__label_set_that_is_not_the_networks(quick):
    quick = replace(quick, network=replace(quick.network, labels=('vehicle',)))
    with pytest.raises(ConfigError, match='give both the same labels'):
        input_speed(quick, steps=1)
