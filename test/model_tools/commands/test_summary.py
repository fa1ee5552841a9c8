# SPDX-License-Identifier: Apache-2.0
import json

import pytest
import torch
import yaml

from model_tools.cli import main
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.training.checkpoint import SCHEMA, save_checkpoint
from model_tools.training.config import TrainingConfig


@pytest.fixture
def settings(small_network):
    return {'input_wh': [160, 96], 'network': small_network.to_dict()}


@pytest.fixture
def config(settings, tmp_path):
    path = tmp_path / 'train.yaml'
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.fixture
def checkpoint(settings, small_network, tmp_path):
    path = tmp_path / 'last.pt'
    averaged = PanopticNet(small_network).state_dict()
    state = {'network': settings['network'], 'averaged': averaged, 'epoch': 1, 'step': 2}
    training = TrainingConfig(data='d', input_wh=(160, 96), network=small_network).to_dict()
    save_checkpoint(path, {**state, 'training': training})
    return path


def test_summary__table_and_record(config, tmp_path, capsys):
    record = tmp_path / 'new' / 'summary.json'
    options = ['--repeats', '2', '--json', str(record)]
    assert main(['summary', '--config', str(config), *options]) == 0
    printed = capsys.readouterr().out
    for word in (
        'backbone',
        'encoder',
        'detection',
        'drivable',
        'lane',
        'total',
        'GMAC',
        '160x96',
    ):
        assert word in printed
    found = json.loads(record.read_text())
    assert found['input'] == {'width': 160, 'height': 96}
    assert found['timing'] == {'engine': 'onnxruntime', 'threads': 1, 'repeats': 2}
    parts = found['parts'].values()
    for figure in ('parameters', 'gmac'):
        assert found['total'][figure] == pytest.approx(sum(part[figure] for part in parts))
    assert all(part['ms'] > 0 for part in parts)
    assert found['total']['ms'] > min(part['ms'] for part in parts)


@pytest.mark.parametrize(
    ('arguments', 'width', 'input_wh'),
    [
        (['--size', 'm'], 96, (640, 384)),
        (['--size', 'l', '--input', '320x192'], 192, (320, 192)),
        (['--config', 'CONFIG'], 16, (160, 96)),
        (['--checkpoint', 'CHECKPOINT'], 16, (160, 96)),
        (['--checkpoint', 'CHECKPOINT', '--input', '192x128'], 16, (192, 128)),
    ],
)
def test_summary__which_network_at_which_size(
    config, checkpoint, monkeypatch, arguments, width, input_wh
):
    def summarise(net, size, **_):
        assert net.config.detection_width == width
        assert size == input_wh
        return {'parts': {}, 'total': {'parameters': 1, 'gmac': 1.0, 'ms': 1.0}}

    monkeypatch.setattr('model_tools.export.summary.summarise', summarise)
    places = {'CONFIG': str(config), 'CHECKPOINT': str(checkpoint)}
    assert main(['summary', *(places.get(word, word) for word in arguments)]) == 0


class Code:
    def __reduce__(self):
        return (print, ('code was run',))


@pytest.mark.parametrize('command', ['summary', 'export'])
@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda state: {**state, 'schema': 1}, 'found schema 1'),
        (lambda state: {k: v for k, v in state.items() if k != 'schema'}, f'of schema {SCHEMA}'),
        (lambda state: {**state, 'note': Code()}, 'it could run code'),
        (lambda state: state['averaged'], 'expected a checkpoint'),
        (
            lambda state: {**state, 'network': {**state['network'], 'detection_width': 32}},
            'another architecture',
        ),
        (lambda state: {**state, 'network': {'heads': 3}}, "unknown keys ['heads']"),
    ],
    ids=['old schema', 'no schema', 'code', 'bare weights', 'other shapes', 'unknown key'],
)
def test_bad_checkpoint__is_one_sentence(
    checkpoint, road_folder, tmp_path, capsys, command, change, message
):
    torch.save(change(torch.load(checkpoint, weights_only=True)), checkpoint)
    out = tmp_path / 'out'
    arguments = {
        'summary': ['--json', str(out / 'summary.json')],
        'export': ['--data', str(road_folder), '--out', str(out / 'net.onnx')],
    }
    assert main([command, '--checkpoint', str(checkpoint), *arguments[command]]) == 2
    _assert_one_sentence(capsys, message)
    assert not out.exists()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--size', 'xl'], "network.size is 'xl'; expected one of ['n', 's', 'm', 'l']"),
        (['--size', 's', '--repeats', '0'], '--repeats 0: expected 1 or more'),
        (['--size', 's', '--threads', '-1'], '--threads -1'),
        (['--checkpoint', 'none.pt'], "'none.pt': no such checkpoint"),
        (['--config', 'none.yaml'], 'none.yaml'),
    ],
)
def test_summary__bad_input(arguments, message, capsys):
    assert main(['summary', *arguments]) == 2
    _assert_one_sentence(capsys, message)


@pytest.mark.parametrize('size', ['650x384', '640', '0x32', '640x'])
def test_summary__input_that_no_network_takes(size, capsys):
    with pytest.raises(SystemExit) as stop:
        main(['summary', '--size', 's', '--input', size])
    assert stop.value.code == 2
    assert f"found '{size}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ('data', 'out', 'message'),
    [
        ('nowhere', 'net.onnx', "nowhere': expected a folder or a .tar file"),
        ('empty', 'net.onnx', 'expected BDD100K'),
        ('train_only', 'net.onnx', "split 'val' has no images; splits with images: train"),
        ('broken', 'net.onnx', "none of 1 images of split 'val' can be read"),
        ('broken', 'net', "net': expected the name of a .onnx file"),
    ],
)
def test_export__bad_data_and_output(checkpoint, tmp_path, capsys, data, out, message):
    files = {'empty': [], 'train_only': ['train/a.jpg'], 'broken': ['train/a.jpg', 'val/b.jpg']}
    for folder, names in files.items():
        (tmp_path / folder).mkdir()
        for name in names:
            path = tmp_path / folder / 'images' / name
            path.parent.mkdir(parents=True)
            path.write_bytes(b'no JPEG')
            labels = tmp_path / folder / 'det_annotations' / name
            labels.parent.mkdir(parents=True)
            labels.with_suffix('.json').write_text('{}')
    before = sorted(tmp_path.rglob('*'))
    data_and_out = ['--data', str(tmp_path / data), '--out', str(tmp_path / out)]
    assert main(['export', '--checkpoint', str(checkpoint), *data_and_out]) == 2
    _assert_one_sentence(capsys, message)
    assert sorted(tmp_path.rglob('*')) == before


def _assert_one_sentence(capsys, message):
    output = capsys.readouterr()
    errors = [line for line in output.err.splitlines() if line.startswith('model_tools: error: ')]
    assert len(errors) == 1
    assert message in errors[0]
    assert 'Traceback' not in output.err
    assert output.out == ''
