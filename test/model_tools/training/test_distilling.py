# SPDX-License-Identifier: Apache-2.0
"""Runs that learn from a teacher beside their labels."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from model_tools.compression.adapters import AdapterError
from model_tools.compression.distillation import Distillation
from model_tools.compression.groups import find_groups
from model_tools.compression.surgery import kept_channels, protected_modules, remove_channels
from model_tools.data.problems import DatasetError
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.settings import ConfigError
from model_tools.training.checkpoint import (
    CheckpointError,
    load_checkpoint,
    load_network,
    save_weights,
)
from model_tools.training.memory import BatchTooLargeError
from model_tools.training.start import TeacherError
from model_tools.training.stopping import Stop
from model_tools.training.trainer import train

TAPPED = 'backbone.stage4.1.merge.0'


@pytest.fixture(scope='module')
def make_teacher(tmp_path_factory):
    """Train a teacher for an epoch, once for each setting."""
    made = {}

    def make(config):
        key = json.dumps({**config.to_dict(), 'epochs': 1})
        if key not in made:
            root = tmp_path_factory.mktemp('teacher')
            train(replace(config, epochs=1), root)
            made[key] = root / 'weights.pt'
        return made[key]

    return make


@pytest.fixture
def teacher(config, make_teacher):
    return make_teacher(config)


@pytest.fixture
def distilling(config, teacher):
    """Return settings of a run whose network is not made from its teacher."""
    return replace(config, distillation=Distillation(str(teacher), adapters='random'))


def prune(teacher, out):
    """Write a copy of the teacher without half of the channels of C4; return its settings."""
    state, net = load_checkpoint(teacher), load_network(teacher)
    example = torch.zeros(1, 3, 96, 160)
    groups = find_groups(net, example, protected=protected_modules(net))
    keep = {TAPPED: torch.arange(1, 16, 2)}
    pruned = remove_channels(net, groups, keep, example)
    whole = {
        **state,
        'network': pruned.config.to_dict(),
        'averaged': pruned.state_dict(),
        'kept': kept_channels(net, groups, keep),
    }
    save_weights(out, whole, {})
    return pruned.config


def records(run):
    return [json.loads(line) for line in (run / 'metrics.jsonl').read_text().splitlines()]


def test_train__tells_how_far_the_teacher_is(distilling, tmp_path):
    fixed = replace(distilling, learning_rate=1e-2, repeats={'toy': 4})
    fixed = replace(fixed, distillation=replace(fixed.distillation, weight=3.0))
    before = (tmp_path / fixed.distillation.teacher).read_bytes()
    train(fixed, tmp_path)
    found = records(tmp_path)
    for record in found:
        assert 0 < record['distillation'] < 4
    assert found[-1]['distillation'] < 0.9 * found[0]['distillation']
    assert [r['distillation_weight'] for r in found] == [3.0, 3.0, pytest.approx(3 * 0.5625)]
    parts = sum(found[0][name] for name in ('class', 'box', 'drivable', 'lane'))
    assert found[0]['loss'] == pytest.approx(parts + 3 * found[0]['distillation'], abs=1e-3)
    assert (tmp_path / fixed.distillation.teacher).read_bytes() == before


def test_train__teacher_is_a_fifth_of_the_loss_at_first(distilling, tmp_path):
    train(replace(distilling, batch_size=8), tmp_path, stop_after=1)
    (record,) = records(tmp_path)
    parts = sum(record[name] for name in ('class', 'box', 'drivable', 'lane'))
    assert record['distillation_weight'] * record['distillation'] == pytest.approx(
        0.2 * parts, rel=1e-3
    )


def test_train__adapters_stay_behind(distilling, config, tmp_path):
    train(replace(distilling, epochs=1), tmp_path / 'run')
    state, weights = (load_checkpoint(tmp_path / 'run' / f'{n}.pt') for n in ('last', 'weights'))
    assert state['distillation']['adapters'].keys() == {
        f'{tap}.weight' for tap in ('C3', 'C4', 'C5', 'P3', 'P4', 'P5')
    }
    assert 'distillation' not in weights
    assert weights['averaged'].keys() == state['averaged'].keys() == state['weights'].keys()
    assert load_network(tmp_path / 'run' / 'weights.pt').config == config.network
    assert weights['training']['distillation']['teacher'] == 'weights.pt'  # not where it lies


def test_train__interrupted_distillation_equals_a_whole_one(distilling, tmp_path):
    distilling = replace(distilling, epochs=1, repeats={'toy': 2})
    whole = load_checkpoint(train(distilling, tmp_path / 'whole'))
    times = iter([0.0] * 4)
    stop = Stop(1, clock=lambda: next(times, 60.0))
    assert load_checkpoint(train(distilling, tmp_path / 'parts', stop=stop))['step'] == 3
    resumed = load_checkpoint(train(distilling, tmp_path / 'parts'))
    assert resumed['distillation']['weight'] == whole['distillation']['weight'] > 0
    for part in ('weights', 'averaged'):
        assert all(torch.equal(resumed[part][k], x) for k, x in whole[part].items()), part
    for name, adapter in whole['distillation']['adapters'].items():
        assert torch.equal(resumed['distillation']['adapters'][name], adapter)
    for key in ('loss', 'distillation', 'distillation_weight'):
        assert [r[key] for r in records(tmp_path / 'parts')] == [
            r[key] for r in records(tmp_path / 'whole')
        ]


def test_train__pruned_student_begins_near_its_teacher(config, teacher, tmp_path):
    network = prune(teacher, tmp_path / 'pruned.pt')
    first = {}
    for adapters in ('selection', 'random'):
        changed = replace(
            config,
            epochs=1,
            batch_size=8,
            start=str(tmp_path / 'pruned.pt'),
            network=network,
            distillation=Distillation(str(teacher), adapters=adapters),
        )
        state = load_checkpoint(train(changed, tmp_path / adapters))
        first[adapters] = records(tmp_path / adapters)[0]['distillation']
        assert state['kept'][TAPPED].tolist() == list(range(1, 16, 2))
        assert state['distillation']['adapters']['C4.weight'].shape == (16, 8, 1, 1)
    assert first['selection'] < 0.8 * first['random']
    weights = load_checkpoint(tmp_path / 'random' / 'weights.pt')
    assert weights['kept'][TAPPED].tolist() == list(range(1, 16, 2))


def test_train__unlabelled_images_come_beside_the_data(distilling, tmp_path):
    (tmp_path / 'more').mkdir()
    for i in range(4):
        cv2.imwrite(str(tmp_path / 'more' / f'{i}.png'), np.full((48, 80, 3), 60 * i, np.uint8))
    changed = replace(
        distilling,
        epochs=1,
        look_every=1,
        batch_size=1,  # so that there are batches without any label
        distillation=replace(distilling.distillation, unlabelled=str(tmp_path / 'more')),
    )
    train(changed, tmp_path / 'run')
    weights = load_checkpoint(tmp_path / 'run' / 'weights.pt')
    assert weights['step'] == 8 + 4
    assert weights['training']['distillation']['unlabelled'] == 'more'
    assert (weights['provenance']['images'], weights['provenance']['unlabelled_images']) == (8, 4)


def test_train__out_of_memory_counts_the_teacher(distilling, tmp_path, monkeypatch):
    forward = PanopticNet.forward

    def limited(self, image):
        if not self.training and len(image) > 2:
            raise torch.OutOfMemoryError('pretended')
        return forward(self, image)

    monkeypatch.setattr(PanopticNet, 'forward', limited)
    with pytest.raises(BatchTooLargeError, match='2 does: --set batch_size=2'):
        train(replace(distilling, batch_size=8), tmp_path)


def test_train__unlabelled_images_with_labels(distilling, tmp_path):
    settings = replace(distilling.distillation, unlabelled=distilling.data)
    message = r'expected a folder of images alone as distillation\.unlabelled, found .* yolop'
    with pytest.raises(DatasetError, match=message):
        train(replace(distilling, distillation=settings), tmp_path / 'run')
    assert not (tmp_path / 'run' / 'last.pt').exists()


@pytest.mark.parametrize(
    ('settings', 'error', 'message'),
    [
        ({'teacher': ''}, ConfigError, "distillation.teacher is '', expected a checkpoint"),
        ({'teacher': '/no/teacher.pt'}, CheckpointError, "'/no/teacher.pt': no such checkpoint"),
        ({'teacher': __file__}, CheckpointError, r"test_distilling\.py': expected a checkpoint"),
        ({'adapters': 'selection'}, ConfigError, 'expected a pruned network as `start`'),
    ],
)
def test_train__teacher_that_cannot_be_used(distilling, tmp_path, settings, error, message):
    changed = replace(distilling, distillation=replace(distilling.distillation, **settings))
    with pytest.raises(error, match=message):
        train(changed, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_train__teacher_of_other_labels(distilling, config, make_teacher, tmp_path):
    network = replace(config.network, labels=('vehicle',))
    other = make_teacher(replace(config, label_set='vehicle', network=network))
    message = (
        r"weights\.pt': a teacher of labels \['vehicle'\], expected \['vehicle', 'person', "
        r"'cycle'\] as of this run"
    )
    settings = replace(distilling.distillation, teacher=str(other))
    with pytest.raises(TeacherError, match=message):
        train(replace(distilling, distillation=settings), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_train__start_of_another_teacher(config, teacher, make_teacher, tmp_path):
    prune(teacher, tmp_path / 'pruned.pt')
    wide = replace(config.network, backbone_widths=(8, 8, 16, 32, 32))
    settings = Distillation(str(make_teacher(replace(config, network=wide))))
    changed = replace(config, start=str(teacher), distillation=settings)
    message = r'stage4\.1\.merge\.0: the student has 16 channels, .* has 32'
    with pytest.raises(AdapterError, match=message):
        train(changed, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()
