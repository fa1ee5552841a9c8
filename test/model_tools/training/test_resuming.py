# SPDX-License-Identifier: Apache-2.0
"""A run that is cut off, wherever that is, goes on as if it had not been."""

import copy
import json
import shutil
from dataclasses import replace

import pytest
import torch

from model_tools.settings import ConfigError
from model_tools.training import trainer
from model_tools.training.checkpoint import CheckpointError, load_checkpoint
from model_tools.training.run_folder import RunFolder
from model_tools.training.stopping import Stop
from model_tools.training.trainer import train


def stop_after_steps(count):
    """Return what stops a run as a time limit would, which is looked at before each step."""
    times = iter([0.0] * (count + 1))
    return Stop(1, clock=lambda: next(times, 60.0))


def same(a, b):
    """Say whether two nested states hold the same values, to the last bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def untimed(found):
    timed = {'seconds', 'images_per_second', 'input_share'}
    return [{k: v for k, v in record.items() if k not in timed} for record in found]


def records(run):
    return [json.loads(line) for line in (run / 'metrics.jsonl').read_text().splitlines()]


@pytest.fixture(scope='module')
def begun(config, tmp_path_factory):
    """Return the state of a run of `config` after its first epoch."""
    last = train(config, tmp_path_factory.mktemp('begun'), stop_after=1)
    return torch.load(last, weights_only=True)


def test_train__interrupted_run_equals_a_whole_one(config, tmp_path, capsys):
    config = replace(
        config,
        task_weights='learned',
        augmentation=replace(config.augmentation, mosaic=0.5),
        mosaic_off_epochs=1,
    )
    whole = load_checkpoint(train(config, tmp_path / 'whole'))
    parts = tmp_path / 'parts'
    train(config, parts, stop=stop_after_steps(3))
    assert load_checkpoint(parts / 'last.pt')['step'] == 3
    assert not (parts / 'weights.pt').exists()
    assert 'stopped after step 3 of 6: the same command goes on' in capsys.readouterr().err
    resumed = load_checkpoint(train(config, parts))
    assert (resumed['step'], resumed['epoch']) == (6, 3)
    for name in ('weights', 'averaged', 'optimizer', 'task_weights'):
        assert same(resumed[name], whole[name]), name
    assert untimed(records(parts)) == untimed(records(tmp_path / 'whole'))


def test_train__resumed_with_the_cache_elsewhere(config, tmp_path):
    whole = load_checkpoint(train(config, tmp_path / 'whole'))
    train(config, tmp_path / 'parts', stop=stop_after_steps(3))
    shutil.rmtree(tmp_path / 'parts' / 'cache')
    moved = replace(config, cache=str(tmp_path / 'cache'))
    resumed = load_checkpoint(train(moved, tmp_path / 'parts'))
    assert same(resumed['weights'], whole['weights'])
    assert not (tmp_path / 'parts' / 'cache').exists()


def test_train__killed_in_mid_epoch_loses_minutes_at_most(config, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, 'SAVE_SECONDS', 0.0)
    times = iter([0.0] * 4)
    power_cut = Stop(1, clock=lambda: next(times))
    with pytest.raises(StopIteration):
        train(config, tmp_path, stop=power_cut)
    assert load_checkpoint(tmp_path / 'last.pt')['step'] == 3


def test_train__killed_before_the_record_of_an_epoch(config, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, 'add_record', lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(config, tmp_path)
    assert load_checkpoint(tmp_path / 'last.pt')['step'] == 2
    train(config, tmp_path)
    assert [r['epoch'] for r in records(tmp_path)] == [1, 2, 3]


def test_train__stop_after_an_epoch_and_again_when_all_is_done(config, tmp_path):
    train(config, tmp_path, stop_after=1)
    assert load_checkpoint(tmp_path / 'last.pt')['epoch'] == 1
    assert len(records(tmp_path)) == 1
    train(config, tmp_path)
    before = load_checkpoint(tmp_path / 'last.pt')
    train(config, tmp_path)
    assert same(load_checkpoint(tmp_path / 'last.pt'), before)
    assert len(records(tmp_path)) == 3


def test_train__resumed_with_other_settings(config, tmp_path):
    train(config, tmp_path, stop_after=1)
    changed = replace(
        config, epochs=9, augmentation=replace(config.augmentation, mosaic=0.0), score_every=1
    )
    message = r'epochs was 3, is 9; augmentation\.mosaic was 0\.\d+, is 0\.0; give those'
    with pytest.raises(ConfigError, match=message):
        train(changed, tmp_path)
    assert load_checkpoint(tmp_path / 'last.pt')['epoch'] == 1


def test_train__resumed_with_moved_data_and_other_looks(config, tmp_path):
    train(config, tmp_path / 'run', stop_after=1)
    moved = shutil.copytree(config.data, tmp_path / 'moved')
    train(replace(config, data=str(moved), look_every=1, score_every=1), tmp_path / 'run')
    assert len(records(tmp_path / 'run')) == 3


def test_train__resumed_with_fewer_images(config, tmp_path):
    train(config, tmp_path / 'run', stop_after=1)
    less = shutil.copytree(config.data, tmp_path / 'less')
    for i in range(4):
        (less / 'images' / 'train' / f'road_{i}.jpg').unlink()
    with pytest.raises(ConfigError, match='begun with 2 steps an epoch, its data now give 1'):
        train(replace(config, data=str(less)), tmp_path / 'run')


def test_train__another_run_in_the_same_folder(config, tmp_path):
    with RunFolder(tmp_path) as folder:
        folder.begin(config)
        with pytest.raises(ConfigError, match='another run is going on there; wait for its end'):
            train(config, tmp_path)
    assert not (tmp_path / 'last.pt').exists()
    with RunFolder(tmp_path) as folder:
        train(config, tmp_path, stop_after=1)
        with pytest.raises(ConfigError, match='another run went on there meanwhile'):
            folder.begin(config)


def test_train__records_damaged_or_of_later_epochs(config, tmp_path):
    train(config, tmp_path, stop_after=1)
    earlier = (tmp_path / 'last.pt').read_bytes()
    train(config, tmp_path, stop_after=2)
    (tmp_path / 'last.pt').write_bytes(earlier)
    train(config, tmp_path, stop_after=2)
    assert [r['epoch'] for r in records(tmp_path)] == [1, 2]
    (tmp_path / 'metrics.jsonl').write_text('{"epo')
    with pytest.raises(ConfigError, match=r"metrics\.jsonl': expected a record a line"):
        train(config, tmp_path)


def test_train__weights_file_is_no_checkpoint_to_go_on_from(config, tmp_path):
    train(replace(config, epochs=1), tmp_path)
    shutil.copy(tmp_path / 'weights.pt', tmp_path / 'last.pt')
    with pytest.raises(CheckpointError, match='to go on from, found one without'):
        train(replace(config, epochs=1), tmp_path)


def _without(key):
    return lambda state: state.pop(key)


def _with(key, value):
    return lambda state: state.__setitem__(key, value)


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (_with('optimizer', [1]), r'damaged: optimizer is \[1\], expected a mapping'),
        (_with('optimizer', {}), 'is damaged'),
        (lambda state: state['optimizer']['param_groups'].pop(), 'parameter groups'),
        (lambda state: state['optimizer']['param_groups'][0].pop('base_lr'), 'lacks settings'),
        (lambda state: state['optimizer']['state'][0].pop('exp_avg'), 'exp_avg'),
        (
            lambda state: state['optimizer']['state'][0].update(exp_avg=torch.zeros(7)),
            'of other parameters',
        ),
        (_with('tally', 3), 'damaged: tally is 3, expected numbers by name'),
        (_with('tally', {'box': 'x'}), 'expected numbers by name'),
        (_with('tally', {'box': 1.0}), "tally is .*, expected .*'steps'.* in it"),
        (_with('step', 'x'), "step is 'x', expected a whole number"),
        (_without('step'), r"without \['step'\]"),
        (_with('step', 10**6), 'step is 1000000, expected at most 6'),
        (_with('epoch_steps', 0), 'epoch_steps is 0, expected a whole number'),
        (_with('warm_started', 3), 'warm_started is 3, expected a list of names'),
        (_with('weights', {}), 'is damaged .*Missing|is damaged .*Error'),
        (_with('task_weights', {'x': torch.zeros(1)}), 'is damaged'),
    ],
)
def test_train__damaged_progress(begun, config, tmp_path, damage, message):
    state = copy.deepcopy(begun)
    damage(state)
    torch.save(state, tmp_path / 'last.pt')
    with pytest.raises(CheckpointError, match=f'last.pt.*{message}') as caught:
        train(config, tmp_path)
    assert '\n' not in str(caught.value)
