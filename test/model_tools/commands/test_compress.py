# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
import yaml

from model_tools.cli import main
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.training.checkpoint import save_checkpoint


@pytest.fixture
def arguments(tmp_path, small_network, road_folder):
    """Return those of a compression of an untrained network."""
    settings = {
        'data': str(road_folder),
        'input_wh': [160, 96],
        'canvas_wh': [160, 96],
        'holdout_groups': ['road_7'],
        'batch_size': 3,
        'look_every': 0,
        'epochs': 1,
    }
    teacher = tmp_path / 'teacher.pt'
    state = {
        'network': small_network.to_dict(),
        'averaged': PanopticNet(small_network).state_dict(),
    }
    training = {**settings, 'label_set': 'default', 'synthetic': '', 'warm_start': ''}
    save_checkpoint(teacher, {**state, 'training': training, 'epoch': 1, 'step': 1})
    path = tmp_path / 'compression.yaml'
    path.write_text(yaml.safe_dump({'budget': 'params', 'rounds': 1, 'training': settings}))
    options = ['--teacher', str(teacher), '--out', str(tmp_path / 'run')]
    return ['compress', '--config', str(path), *options]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--config', 'nowhere.yaml'], 'nowhere.yaml'),
        (['--set', 'kep=0.5'], "unknown keys ['kep']"),
        (['--set', 'training.epoch=3'], "training: unknown keys ['epoch']"),
        (['--teacher', 'nowhere.pt'], "'nowhere.pt': no such checkpoint"),
        (['--data', 'nowhere'], "'nowhere': expected a folder or a .tar file"),
        (['--set', 'keep=0.01'], 'cannot be reached'),
        (['--set', 'training.holdout_groups=[]'], 'nothing is held out'),
        (['--set', 'training.label_set=vehicle'], 'labels'),
        (['--minutes', '-1'], '--minutes -1'),
    ],
)
def test_compress__bad_input_is_one_sentence(arguments, tmp_path, capsys, options, message):
    assert main([*arguments, *options]) == 2
    *_, sentence = capsys.readouterr().err.strip().splitlines()
    assert sentence.startswith('model_tools: error: ')
    assert message in sentence
    assert not (tmp_path / 'run').exists()


def test_compress__a_folder_of_something_else_stays_as_it_is(arguments, tmp_path, capsys):
    settings = tmp_path / 'run' / 'config.yaml'
    settings.parent.mkdir()
    settings.write_text('{data: roads, epochs: 3}')
    assert main(arguments) == 2
    assert 'a run of something else; give another --out' in capsys.readouterr().err
    assert list(settings.parent.iterdir()) == [settings]
    assert settings.read_text() == '{data: roads, epochs: 3}'


def test_compress__too_few_images_for_a_calibration_batch(arguments, tmp_path, capsys):
    assert main([*arguments, '--set', 'calibration_batch_size=8']) == 2
    assert 'found 7 to learn from' in capsys.readouterr().err
    assert [path.name for path in (tmp_path / 'run').iterdir()] == ['cache']


def test_compress__images_that_label_nothing_of_a_task(arguments, tmp_path, capsys, road_folder):
    partly = tmp_path / 'partly'
    partly.mkdir()
    for folder in ('images', 'det_annotations', 'da_seg_annotations'):
        (partly / folder).symlink_to(road_folder / folder)
    ungated = ['--set', 'allowed_fall=null']
    assert main([*arguments, *ungated, '--data', str(partly)]) == 2
    assert "no image that calibrates labels ['lane']" in capsys.readouterr().err


def test_compress__damaged_weights(arguments, tmp_path, capsys):
    state = torch.load(tmp_path / 'teacher.pt', weights_only=True)
    name = next(n for n in state['averaged'] if n.endswith('weight'))
    state['averaged'][name][:] = np.nan
    torch.save(state, tmp_path / 'teacher.pt')
    assert main(arguments) == 2
    assert 'found NaN or infinite ones in backbone.stem.0.weight' in capsys.readouterr().err
