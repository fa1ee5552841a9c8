# SPDX-License-Identifier: Apache-2.0
import os
import pickle
from dataclasses import replace

import pytest
import torch

from model_tools.networks.panoptic_net import PanopticNet
from model_tools.training.checkpoint import (
    CheckpointError,
    load_checkpoint,
    load_network,
    load_weights,
    save_checkpoint,
    save_weights,
)
from model_tools.training.config import TrainingConfig


@pytest.fixture
def state(small_network):
    torch.manual_seed(3)
    net = PanopticNet(small_network)
    net.backbone.stem[1].running_var.fill_(1e6)  # beyond half precision
    config = TrainingConfig(data='/far/away/roads', network=small_network)
    return {
        'network': small_network.to_dict(),
        'training': config.to_dict(),
        'averaged': net.state_dict(),
        'epoch': 1,
        'step': 7,
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'last.pt'


def test_load_network__same_weights_in_evaluation_mode(state, path, small_network):
    save_checkpoint(path, state)
    net = load_network(path)
    assert net.config == small_network
    assert not net.training
    for name, weight in net.state_dict().items():
        assert torch.equal(weight, state['averaged'][name]), name


def test_save_weights__half_the_size_and_nearly_the_same(state, path):
    whole = path.with_name('whole.pt')
    save_checkpoint(whole, state)
    save_weights(path, state, {'images': 3})
    assert path.stat().st_size < 0.75 * whole.stat().st_size
    read = load_checkpoint(path)
    assert read['provenance'] == {'images': 3}
    assert read['training']['data'] == 'roads'
    for name, weight in load_network(path).state_dict().items():
        assert weight.dtype == state['averaged'][name].dtype
        torch.testing.assert_close(weight, state['averaged'][name], rtol=1e-3, atol=1e-7)


def test_save_weights__keeps_which_filters_of_its_parent_a_network_has(state, path):
    save_weights(path, state, {})
    assert load_checkpoint(path)['kept'] == {}
    save_weights(path, {**state, 'kept': {'lane.logit': torch.tensor([0])}}, {})
    kept = load_checkpoint(path)['kept']
    assert kept['lane.logit'].tolist() == [0]
    assert kept['lane.logit'].dtype == torch.int64


def test_load_network__width_table_that_does_not_fit(state, path):
    state['network']['channels'] = {'backbone.stem.0': [3, 4]}
    save_checkpoint(path, state)
    with pytest.raises(CheckpointError, match=r'last\.pt.*channels do not fit together'):
        load_network(path)


class Code:
    """Runs a command on being read by pickle."""

    def __reduce__(self):
        return os.system, ('exit 1',)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'no such checkpoint; train first'),
        (b'', 'cut short or damaged'),
        (b'no checkpoint', 'not read, since it could run code'),
        (b'{"schema": 1}', 'not read, since it could run code'),
        (pickle.dumps({'schema': 2, 'averaged': Code()}, 2), 'not read, since it could run code'),
    ],
)
def test_load_checkpoint__no_checkpoint(path, content, message):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf'last\.pt.*{message}') as caught:
        load_checkpoint(path)
    assert '\n' not in str(caught.value)


def test_load_checkpoint__folder(tmp_path):
    with pytest.raises(CheckpointError, match='found: Is a directory'):
        load_checkpoint(tmp_path)


def test_load_checkpoint__code_inside(state, path):
    torch.save({'schema': 2, **state, 'extra': Code()}, path)
    with pytest.raises(CheckpointError, match='could run code'):
        load_checkpoint(path)


@pytest.mark.parametrize('share', [0.01, 0.5, 0.99])
def test_load_checkpoint__cut_short(state, path, share):
    save_checkpoint(path, state)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match='cut short or damaged; copy it again') as caught:
        load_checkpoint(path)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('schema', [1, 3, 'x'])
def test_load_checkpoint__other_schema(state, path, schema):
    torch.save({'schema': schema, **state}, path)
    with pytest.raises(CheckpointError, match=f'of schema 2, found schema {schema!r}'):
        load_checkpoint(path)


@pytest.mark.parametrize('content', [[], {'schema': 2, 'network': {}, 'averaged': {}}])
def test_load_checkpoint__something_else_of_torch(path, content):
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"found one without \[.*'training'\]"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ('part', 'content', 'message'),
    [
        ('network', 3, 'cannot be used'),
        ('network', {'width': 3}, r"cannot be used: network: unknown keys \['width'\]"),
        ('averaged', [1], 'cannot be used'),
        ('averaged', {'lane.logit.bias': 'b'}, 'cannot be used'),
        ('kept', 3, 'cannot be used'),
        ('kept', {'lane.logit': [0]}, 'cannot be used'),
        ('kept', {'lane.logit': torch.zeros(1)}, 'cannot be used: kept is not of lists of'),
        ('training', ['data'], r"cannot be used: training is \['data'\], expected a mapping"),
        ('epoch', None, 'epoch is None, expected a whole number'),
        ('epoch', 1.5, 'epoch is 1.5, expected a whole number'),
        ('step', -1, 'step is -1, expected a whole number of at least 0'),
        ('network', {'backbone_depths': [1, 1, 1, 10**9]}, 'backbone_depths is .*to 64'),
        ('network', {'detection_width': 10**12}, 'detection_width is .*to 2048'),
    ],
)
def test_load_checkpoint__parts_of_another_kind(state, path, part, content, message):
    save_checkpoint(path, {**state, part: content})
    with pytest.raises(CheckpointError, match=rf'last\.pt.*{message}'):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('holdout_groups', None, 'training.holdout_groups is None, expected a list of names'),
        ('holdout_groups', 'road', "training.holdout_groups is 'road', expected a list"),
        ('input_wh', None, 'training.input_wh is None, expected width and height'),
        ('input_wh', [640], r'training.input_wh is \[640\], expected width and height'),
        ('input_wh', [640, 'x'], '.* expected width and height'),
        ('input_wh', [640, 0], '.* expected width and height'),
        ('data', None, 'training.data is None, expected a path'),
        ('warm_start', 3, 'training.warm_start is 3, expected a path'),
        ('epochs', 0, 'training.epochs is 0, expected a whole number'),
        ('fade_share', 'x', "training.fade_share is 'x', expected a number"),
        ('label_set', 3, 'training.label_set is 3, expected a path'),
    ],
)
def test_load_checkpoint__settings_of_another_kind(state, path, key, value, message):
    state['training'][key] = value
    if value is None:
        del state['training'][key]
    save_checkpoint(path, state)
    with pytest.raises(CheckpointError, match=rf'last\.pt.*cannot be used: {message}') as caught:
        load_checkpoint(path)
    assert '\n' not in str(caught.value)


def test_load_checkpoint__settings_that_came_later_may_be_missing(state, path):
    for key in ('label_set', 'fade_share'):
        del state['training'][key]
    del state['network']['attention']
    save_checkpoint(path, state)
    assert load_checkpoint(path)['network']['attention'] is False


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'activation': 'silu'}, "network.activation is 'relu', expected 'silu'"),
        (
            {'detection_width': 32, 'encoder_depth': 2},
            'network.encoder_depth is 1, expected 2; network.detection_width is 16, expected 32',
        ),
    ],
)
def test_load_weights__other_architecture(state, path, small_network, changes, message):
    net = PanopticNet(replace(small_network, **changes))
    with pytest.raises(CheckpointError, match=f'another architecture: {message}'):
        load_weights(net, state, path)


def test_load_weights__other_widths_in_few_words(state, path, small_network):
    state['network']['channels'] = {f'lane.mix.{i}.0': [16, 16] for i in range(50)}
    with pytest.raises(
        CheckpointError, match=r'network\.channels is \{.*\.\.\.\}, expected'
    ) as caught:
        load_weights(PanopticNet(small_network), state, path)
    assert len(str(caught.value)) < 300


def test_load_weights__other_tensors_under_the_same_name(state, path, small_network):
    state['averaged']['lane.logit.weight'] = torch.zeros(3)
    del state['averaged']['lane.logit.bias']
    with pytest.raises(CheckpointError, match=r'lane\.logit\.weight is \(3,\), expected \(1, 8'):
        load_weights(PanopticNet(small_network), state, path)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_load_network__weights_that_are_not_finite(state, path, value):
    state['averaged']['lane.logit.bias'].fill_(value)
    save_checkpoint(path, state)
    message = 'found NaN or infinite ones in lane.logit.bias and 0 other tensors'
    with pytest.raises(CheckpointError, match=message):
        load_network(path)
