# SPDX-License-Identifier: Apache-2.0
import json
import shutil
from dataclasses import replace

import cv2
import pytest
import torch

from model_tools.data.augmentation import Augmentation
from model_tools.data.problems import DatasetError
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.networks.rounding import RoundingConv
from model_tools.settings import ConfigError
from model_tools.training.checkpoint import CheckpointError, load_checkpoint, load_network
from model_tools.training.learner import NonFiniteLossError
from model_tools.training.memory import BatchTooLargeError
from model_tools.training.trainer import train

HELD_OUT = ('road_6', 'road_7')


def records(run):
    return [json.loads(line) for line in (run / 'metrics.jsonl').read_text().splitlines()]


def test_train__loss_falls(config, tmp_path):
    config = replace(config, repeats={'toy': 8}, learning_rate=1e-2, augmentation=Augmentation())
    train(config, tmp_path)
    first, last = records(tmp_path)[0], records(tmp_path)[-1]
    for task in ('drivable', 'lane'):
        assert last[task] < 0.9 * first[task]
    assert not (tmp_path / 'looks').exists()


def test_train__writes_what_it_did(config, tmp_path):
    config = replace(config, holdout_groups=HELD_OUT, batch_size=3, look_every=2, score_every=2)
    run = tmp_path / 'run'
    train(config, run)
    found = records(run)
    assert [r['epoch'] for r in found] == [1, 2, 3]
    assert [r['step'] for r in found] == [2, 4, 6]
    assert ['holdout' in r for r in found] == [False, True, True]
    assert found[-1]['holdout']['images'] == 2
    assert set(found[-1]['holdout']['ap50']) == {'vehicle', 'person', 'cycle'}
    for record in found:
        parts = sum(record[name] for name in ('class', 'box', 'drivable', 'lane'))
        assert record['loss'] == pytest.approx(parts, abs=1e-4)
        assert 0 < record['input_share'] < 1
        assert record['images_per_second'] > 0
    assert sorted(p.name for p in (run / 'looks').iterdir()) == ['epoch_002.png', 'epoch_003.png']
    assert cv2.imread(str(run / 'looks' / 'epoch_003.png')).shape[1] == 1920
    assert cv2.imread(str(run / 'curves.png')).std() > 10
    assert {p.name for p in run.iterdir()} == {
        '.lock', 'cache', 'config.yaml', 'curves.png', 'last.pt', 'looks', 'metrics.jsonl',
        'weights.pt',
    }  # fmt: skip


def test_train__weights_file_rebuilds_the_network(config, tmp_path):
    checkpoint = train(replace(config, epochs=1), tmp_path)
    whole, small = load_network(checkpoint), load_network(tmp_path / 'weights.pt')
    assert small.config == whole.config == config.network
    for a, b in zip(small.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)
    provenance = load_checkpoint(tmp_path / 'weights.pt')['provenance']
    assert (provenance['images'], provenance['processes']) == (8, 1)


def test_train__in_8_bits(config, tmp_path):
    config = replace(config, epochs=1, holdout_groups=HELD_OUT, score_every=1)
    for name, int8 in (('float', False), ('int8', True)):
        train(replace(config, int8=int8), tmp_path / name)
    (first,), (second,) = records(tmp_path / 'float'), records(tmp_path / 'int8')
    assert first['loss'] != second['loss']
    assert first['loss'] == pytest.approx(second['loss'], rel=0.2)
    net = load_network(tmp_path / 'int8' / 'weights.pt')
    assert not any(isinstance(module, RoundingConv) for module in net.modules())


def test_train__start_from_a_run_before(config, tmp_path):
    train(replace(config, epochs=1), tmp_path / 'first')
    for file in ('last.pt', 'weights.pt'):
        path = tmp_path / 'first' / file
        changed = replace(config, start=str(path), learning_rate=1e-12, weight_decay=0.0)
        second = load_checkpoint(train(changed, tmp_path / file, stop_after=1))
        for name, weight in load_network(path).named_parameters():
            torch.testing.assert_close(second['weights'][name], weight.data, rtol=0, atol=1e-6)


def test_train__start_of_another_architecture(config, tmp_path):
    train(replace(config, epochs=1), tmp_path / 'first')
    network = replace(config.network, activation='silu')
    start = str(tmp_path / 'first' / 'weights.pt')
    with pytest.raises(CheckpointError, match=r"network\.activation is 'relu', expected 'silu'"):
        train(replace(config, network=network, start=start), tmp_path / 'second')
    assert not (tmp_path / 'second').exists()


def test_train__holdout_group_is_not_trained_on(config, tmp_path):
    kept = tuple(f'road_{i}' for i in range(4, 8))
    state = load_checkpoint(train(replace(config, epochs=1, holdout_groups=kept), tmp_path))
    assert state['step'] == 1


def test_train__repeated_source_comes_as_often_as_asked(config, tmp_path):
    state = load_checkpoint(train(replace(config, epochs=1, repeats={'toy': 3}), tmp_path))
    assert state['step'] == 3 * 8 // 4


def test_train__synthetic_drives_have_their_share(config, tmp_path):
    train(replace(config, epochs=1, synthetic=config.data, synthetic_share=0.5), tmp_path)
    weights = load_checkpoint(tmp_path / 'weights.pt')
    assert weights['step'] == (8 + 8) // 4
    assert weights['provenance']['synthetic_images'] == 8


def test_train__unknown_holdout_group_is_refused_at_once(config, tmp_path):
    with pytest.raises(DatasetError, match='atlantis'):
        train(replace(config, holdout_groups=('road_1', 'atlantis')), tmp_path)


def test_train__runs_share_a_cache_whatever_they_hold_out(config, tmp_path):
    config = replace(config, epochs=1, batch_size=2, cache=str(tmp_path / 'cache'))
    train(config, tmp_path / 'first')
    (cache,) = (tmp_path / 'cache').glob('*/cache.json')
    made = cache.stat().st_mtime_ns
    train(replace(config, holdout_groups=HELD_OUT), tmp_path / 'second')
    assert [p.stat().st_mtime_ns for p in (tmp_path / 'cache').glob('*/cache.json')] == [made]
    for run, steps in (('first', 4), ('second', 3)):
        assert load_checkpoint(tmp_path / run / 'last.pt')['step'] == steps
        assert not (tmp_path / run / 'cache').exists()


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


def test_train__less_than_one_batch_is_refused_before_the_run_is_begun(config, tmp_path):
    with pytest.raises(DatasetError, match='8 images to train on are fewer than one batch of 9'):
        train(replace(config, batch_size=9), tmp_path / 'run')
    assert [p.name for p in (tmp_path / 'run').iterdir()] == ['cache']


@pytest.mark.parametrize(('limit', 'steps'), [(0.0, None), (0.12, None), (0.13, 3)])
def test_train__broken_image_is_left_out_under_the_limit(config, tmp_path, limit, steps, capsys):
    data = shutil.copytree(config.data, tmp_path / 'data')
    (data / 'da_seg_annotations' / 'train' / 'road_3.png').unlink()
    changed = replace(config, data=str(data), max_skipped=limit, batch_size=2, epochs=1)
    if steps is None:
        with pytest.raises(DatasetError, match=r'1 of 8 images cannot be used.*--max-skipped'):
            train(changed, tmp_path / 'run')
    else:
        assert load_checkpoint(train(changed, tmp_path / 'run'))['step'] == steps
        assert '"missing_mask": 1' in capsys.readouterr().err


def test_train__loss_that_is_not_finite_saves_its_batch(config, tmp_path):
    train(config, tmp_path, stop_after=1)
    state = load_checkpoint(tmp_path / 'last.pt')
    state['weights']['lane.logit.bias'].fill_(float('nan'))
    torch.save(state, tmp_path / 'last.pt')
    message = r"not finite: {'lane': nan, .*} at step 2; .*bad_batch\.pt.* are road_\d"
    with pytest.raises(NonFiniteLossError, match=message) as caught:
        train(config, tmp_path)
    saved = torch.load(tmp_path / 'bad_batch.pt', weights_only=True)
    assert saved['step'] == 2
    assert saved['images'].shape == (4, 3, 96, 160)
    assert all(name in str(caught.value) for name in saved['names'])
    assert load_checkpoint(tmp_path / 'last.pt')['step'] == 2


@pytest.mark.parametrize(
    ('limit', 'message'),
    [
        (3, 'batch_size 8 does not fit into the memory of cpu, 2 does: --set batch_size=2'),
        (0, 'batch_size 8 does not fit .*, and no smaller one did after it: take'),
    ],
)
def test_train__out_of_memory_names_the_batch_that_fits(
    config, tmp_path, monkeypatch, limit, message
):
    forward = PanopticNet.forward

    def limited(self, image):
        if len(image) > limit:
            torch.empty(10**15)
        return forward(self, image)

    monkeypatch.setattr(PanopticNet, 'forward', limited)
    with pytest.raises(BatchTooLargeError, match=message):
        train(replace(config, batch_size=8), tmp_path)
    assert not (tmp_path / 'last.pt').exists()
