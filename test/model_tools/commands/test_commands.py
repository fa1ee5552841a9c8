# SPDX-License-Identifier: Apache-2.0
"""The commands in a row, as a user types them: train, export, evaluate."""

import json

import pytest
import yaml

from model_tools.cli import main
from panoptic_perception.engines import read_model


@pytest.fixture
def config(tmp_path, small_network):
    path = tmp_path / 'train.yaml'
    network = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(small_network).items()}
    settings = {
        'input_wh': [160, 96],
        'epochs': 1,
        'batch_size': 4,
        'holdout_groups': ['road_7'],
        'network': network,
    }
    path.write_text(yaml.safe_dump(settings))
    return path


def test_train_export_evaluate(config, road_folder, tmp_path, capsys):
    run, file, report = tmp_path / 'run', tmp_path / 'net.onnx', tmp_path / 'scores.json'
    data = str(road_folder)
    assert main(['train', '--config', str(config), '--data', data, '--out', str(run)]) == 0
    checkpoint = str(run / 'last.pt')
    assert main(['export', '--checkpoint', checkpoint, '--data', data, '--out', str(file)]) == 0
    evaluate = ['evaluate', '--model', str(file), '--data', data, '--out', str(report)]
    assert main(evaluate) == 0
    assert 'protocol dataset' in capsys.readouterr().out

    model, scores = read_model(file), json.loads(report.read_text())
    assert model.provenance['holdout_groups'] == ['road_7']
    assert model.provenance['epochs'] == 1
    assert scores['model']['sha256'] == model.sha256
    assert scores['model']['thresholds'] == vars(model.thresholds)
    everything = scores['protocols']['dataset']['all']
    assert model.metrics['scores']['all'] == {
        'images': 2,
        'ap50': {k: v['ap50'] for k, v in everything['detection']['labels'].items()},
        'drivable_iou': everything['drivable']['iou'],
        'lane_iou': everything['lane']['iou'],
    }
    assert model.metrics['overrides'] == {
        name: o['used'] for name, o in scores['protocols']['dataset']['overrides'].items()
    }


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['train', '--config', 'CONFIG', '--out', 'OUT'], 'data'),
        (['train', '--config', 'CONFIG', '--data', 'OUT', '--out', 'OUT'], 'found neither'),
        (['train', '--config', 'missing.yaml', '--data', 'd', '--out', 'OUT'], 'missing.yaml'),
        (['export', '--checkpoint', 'OUT/x.pt', '--data', 'd', '--out', 'OUT/y.onnx'], 'x.pt'),
        (['evaluate', '--model', 'OUT/x.onnx', '--data', 'd'], 'x.onnx'),
        (['evaluate', '--data', 'd', '--threads', '-3'], 'threads must be 0'),
        (['evaluate', '--data', 'd', '--html', '.'], 'found a folder'),
        (['evaluate', '--data', 'd', '--html', 'OUT/a', '--out', 'OUT/a'], 'give two files'),
    ],
)
def test_bad_input__is_one_sentence(config, tmp_path, capsys, arguments, message):
    places = {'CONFIG': str(config), 'OUT': str(tmp_path / 'out')}
    for word, place in places.items():
        arguments = [argument.replace(word, place) for argument in arguments]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith('model_tools: error: ')
    assert message in error
    assert 'Traceback' not in error
