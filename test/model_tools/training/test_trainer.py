# SPDX-License-Identifier: Apache-2.0
import json
import shutil
from dataclasses import replace

import pytest
import torch

from model_tools.data.problems import DatasetError
from model_tools.training.checkpoint import CheckpointError, load_checkpoint, load_network
from model_tools.training.config import ConfigError, TrainingConfig
from model_tools.training.trainer import _average, train


@pytest.fixture
def config(road_folder, small_network):
    return TrainingConfig(
        data=str(road_folder),
        input_wh=(160, 96),
        epochs=2,
        batch_size=4,
        warmup_steps=2,
        workers=0,
        network=small_network,
    )


def test_train__resumed_run_equals_an_uninterrupted_one(config, tmp_path):
    whole = load_checkpoint(train(config, tmp_path / 'whole'))
    parts = tmp_path / 'parts'
    train(config, parts, stop_after=1)
    assert load_checkpoint(parts / 'last.pt')['epoch'] == 1
    resumed = load_checkpoint(train(config, parts))
    assert resumed['step'] == whole['step'] == 4
    for name, weight in whole['averaged'].items():
        torch.testing.assert_close(resumed['averaged'][name], weight, rtol=0, atol=0)


def test_train__writes_one_record_an_epoch_and_the_loss_falls(config, tmp_path):
    train(replace(config, epochs=20, learning_rate=1e-2), tmp_path)
    records = [json.loads(line) for line in (tmp_path / 'metrics.jsonl').read_text().splitlines()]
    assert [r['epoch'] for r in records] == list(range(1, 21))
    for task in ('drivable', 'lane'):
        assert records[-1][task] < 0.9 * records[0][task]
    assert (tmp_path / 'curves.png').stat().st_size > 1000


def test_train__checkpoint_rebuilds_the_network(config, tmp_path):
    net = load_network(train(replace(config, epochs=1), tmp_path))
    assert net.config == config.network
    assert not net.training


def test_train__holdout_group_is_not_trained_on(config, tmp_path):
    kept = tuple(f'road_{i}' for i in range(4, 8))
    state = load_checkpoint(train(replace(config, epochs=1, holdout_groups=kept), tmp_path))
    assert state['step'] == 1


def test_train__repeated_source_comes_as_often_as_asked(config, tmp_path):
    state = load_checkpoint(train(replace(config, epochs=1, repeats={'toy': 3}), tmp_path))
    assert state['step'] == 3 * 8 // 4


def test_train__unknown_holdout_group_is_refused_at_once(config, tmp_path):
    with pytest.raises(DatasetError, match='atlantis'):
        train(replace(config, holdout_groups=('road_1', 'atlantis')), tmp_path)


def test_train__label_set_of_one_label(config, tmp_path):
    network = replace(config.network, labels=('vehicle',))
    run = train(replace(config, epochs=1, label_set='vehicle', network=network), tmp_path)
    assert load_checkpoint(run)['training']['label_set'] == 'vehicle'
    assert load_network(run).config.labels == ('vehicle',)


def test_train__label_set_that_is_not_the_networks(config, tmp_path):
    message = r"network.labels are \['vehicle', 'person', 'cycle'\], but label_set 'vehicle'"
    with pytest.raises(ConfigError, match=message):
        train(replace(config, label_set='vehicle'), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_train__less_than_one_batch_is_refused_before_anything_is_written(config, tmp_path):
    with pytest.raises(DatasetError, match='8 images to train on are fewer than one batch of 9'):
        train(replace(config, batch_size=9), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(('limit', 'steps'), [(0.0, None), (0.12, None), (0.13, 3)])
def test_train__broken_image_is_left_out_under_the_limit(config, tmp_path, limit, steps, capsys):
    data = tmp_path / 'data'
    shutil.copytree(config.data, data)
    (data / 'da_seg_annotations' / 'train' / 'road_3.png').unlink()
    changed = replace(config, data=str(data), max_skipped=limit, batch_size=2, epochs=1)
    if steps is None:
        with pytest.raises(DatasetError, match=r'1 of 8 images cannot be used.*--max-skipped'):
            train(changed, tmp_path / 'run')
    else:
        assert load_checkpoint(train(changed, tmp_path / 'run'))['step'] == steps
        assert '"missing_mask": 1' in capsys.readouterr().err


@pytest.mark.parametrize('content', [None, b'', b'no checkpoint', b'{"schema": 1}'])
def test_load_checkpoint__broken_file_is_named(tmp_path, content):
    path = tmp_path / 'last.pt'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r'last\.pt') as caught:
        load_checkpoint(path)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('state', [[], {'network': {}, 'averaged': {}}])
def test_load_checkpoint__something_else_of_torch(tmp_path, state):
    torch.save(state, tmp_path / 'other.pt')
    with pytest.raises(CheckpointError, match=r"other\.pt.*found one without \[.*'training'\]"):
        load_checkpoint(tmp_path / 'other.pt')


@pytest.mark.parametrize(
    ('count', 'expected'),
    [
        (1, 1 - 2 / 11),  # nearly the current value
        (90, 1 - 91 / 100),
        (100_000, 0.01),  # the decay asked for
    ],
)
def test_average__forgets_the_start(count, expected):
    average = _average(torch.zeros(2), torch.ones(2), torch.tensor(count), decay=0.99)
    torch.testing.assert_close(average, torch.full((2,), expected))
