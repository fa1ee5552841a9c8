# SPDX-License-Identifier: Apache-2.0
"""A checkpoint, its model file and what `panoptic run` wrote with it are scored alike."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from model_tools.data.problems import DatasetError
from model_tools.data.readers import open_data
from model_tools.evaluation.evaluate import evaluate
from model_tools.evaluation.predictors import (
    EnginePredictor,
    ModelFilePredictor,
    PredictorError,
    RunFolderPredictor,
    make_predictors,
)
from model_tools.evaluation.protocol import PROTOCOLS, load_protocols
from model_tools.export.model_file import write_model_file
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.settings import plain_values
from model_tools.training.checkpoint import save_checkpoint
from model_tools.training.config import TrainingConfig
from panoptic_perception.engines import EngineError, ModelFileError, load_engine

INPUT_WH = (160, 96)
THRESHOLDS = {'score': 0.3, 'drivable': 0.5, 'lane': 0.5}


@pytest.fixture(scope='module')
def net(small_network, road_folder):
    """Make a network whose answers differ from place to place: features of deviation 1."""
    torch.manual_seed(3)
    net = PanopticNet(small_network).train()
    data = open_data(road_folder)
    images = [cv2.imread(str(road_folder / f'images/val/{n}.jpg')) for n in data.names('val')]
    with torch.no_grad():
        for norm in net.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.momentum = 1.0
        net(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float())
        for logits in net.detection.class_logits:
            logits.bias.fill_(-2.0)
            logits.weight.normal_(0, 0.5)
    return net.eval()


@pytest.fixture(scope='module')
def checkpoint(net, tmp_path_factory):
    path = tmp_path_factory.mktemp('run') / 'last.pt'
    state = {
        'network': plain_values(net.config.to_dict()),
        'training': TrainingConfig(data='d', input_wh=INPUT_WH).to_dict(),
        'averaged': net.state_dict(),
        'epoch': 1,
        'step': 1,
    }
    save_checkpoint(path, state)
    return path


@pytest.fixture(scope='module')
def model_file(net, tmp_path_factory):
    path = tmp_path_factory.mktemp('file') / 'net.onnx'
    options = {'input_wh': INPUT_WH, 'thresholds': THRESHOLDS, 'provenance': {}, 'metrics': {}}
    return write_model_file(net, path, **options)


@pytest.fixture(scope='module')
def run_folder(model_file, road_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp('results') / 'run'
    command = [
        *(sys.executable, '-m', 'panoptic_perception.cli.main', 'run'),
        *(road_folder / 'images' / 'val', '--out', out, '--model', model_file),
        *('--save', 'json,masks', '--score', '0.05'),
    ]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    return out


def scores_of(path, road_folder, **overrides):
    """Return describe() and the scores of all images by the dataset protocol."""
    protocols = load_protocols(['dataset'], overrides)
    ((predictor, _),) = make_predictors(path, protocols)
    record = evaluate(predictor, open_data(road_folder), 'val', protocols).record()
    return record['model'], record['protocols']['dataset']['all']


def test_checkpoint_model_file_and_run_folder_agree(
    checkpoint, model_file, run_folder, road_folder
):
    by_checkpoint = scores_of(checkpoint, road_folder, score_floor='0.05')
    by_file = scores_of(model_file, road_folder)
    by_folder = scores_of(run_folder, road_folder)
    assert [facts['kind'] for facts, _ in (by_checkpoint, by_file, by_folder)] == [
        'checkpoint',
        'model file',
        'run folder',
    ]
    assert by_folder[0]['sha256'] == by_file[0]['sha256']
    expected = by_file[1]
    vehicle = expected['detection']['labels']['vehicle']
    assert vehicle['boxes'] == 2
    assert 0 < expected['lane']['iou'] < 1
    for _, scores in (by_checkpoint, by_folder):
        assert _flat(scores) == pytest.approx(_flat(expected), abs=2e-3, nan_ok=True)
    # The masks of the folder are the file's, pixel for pixel.
    assert by_folder[1]['drivable'] == expected['drivable']
    assert by_folder[1]['lane'] == expected['lane']


def _flat(scores, prefix=''):
    """Return every number of nested dicts by its path; None becomes NaN."""
    flat = {}
    for key, value in scores.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f'{prefix}{key}/'))
        elif not isinstance(value, list):
            flat[prefix + key] = float('nan') if value is None else value
    return flat


def test_make_predictors__a_checkpoint_follows_each_protocol(checkpoint):
    found = make_predictors(checkpoint, list(PROTOCOLS.values()))
    shared = [(p.describe()['input'], [q.name for q in group]) for p, group in found]
    assert shared == [
        ('letterbox 160x96', ['dataset', 'yolop']),
        ('stretch 640x640', ['rmt_ppad']),
    ]


def test_make_predictors__a_checkpoint_of_another_size(checkpoint):
    ((predictor, _),) = make_predictors(
        checkpoint, load_protocols(['dataset']), input_wh=(192, 96)
    )
    assert predictor.engine.model.input_wh == (192, 96)
    assert predictor.describe()['input'] == 'letterbox 192x96'


def test_make_predictors__a_model_file_has_one_size(model_file):
    with pytest.raises(PredictorError, match='made for one by `model_tools export --input`'):
        make_predictors(model_file, load_protocols(['dataset']), input_wh=(192, 96))


def test_make_predictors__a_precision_is_asked_of_the_engine(model_file, checkpoint):
    protocols = load_protocols(['dataset'])
    ((predictor, _),) = make_predictors(model_file, protocols, precision='fp32')
    assert predictor.describe()['engine']['precision'] == 'fp32'
    with pytest.raises(EngineError, match='needs a model file of int8, and this one holds fp32'):
        make_predictors(model_file, protocols, precision='int8-bf16')
    with pytest.raises(PredictorError, match='only a model file runs in another precision'):
        make_predictors(checkpoint, protocols, precision='fp32')


def test_stretched_boxes_come_back_to_source_pixels(tiny_model, scene):
    predictor = EnginePredictor(load_engine(tiny_model), kind='', stretched=True, fixed={})
    found = predictor(scene, 'a')
    np.testing.assert_allclose(found.boxes[found.scores.argmax()], [100, 200, 300, 400], atol=4)
    assert found.drivable.shape == (384, 640)  # no bars were cut off


def test_make_predictors__a_model_file_fixes_its_settings(model_file):
    ((predictor, group),) = make_predictors(model_file, list(PROTOCOLS.values()))
    assert len(group) == 3
    assert predictor.describe()['fixed'] == {
        'geometry': 'letterbox 160x96',
        'score_floor': 0.05,
        'nms_iou': 0.6,
        'max_boxes': 100,  # of each of three labels
    }


def test_checkpoint__max_boxes_are_those_of_a_label(checkpoint, road_folder):
    image = cv2.imread(str(road_folder / 'images/val/road_0.jpg'))
    for most in (1, 2, 7):
        protocols = load_protocols(['dataset'], {'max_boxes': str(most), 'score_floor': '0'})
        ((predictor, _),) = make_predictors(checkpoint, protocols)
        assert np.bincount(predictor(image, 'a').labels).tolist() == [most] * 3


def test_model_file__missing(tmp_path):
    with pytest.raises(ModelFileError, match='does not exist'):
        make_predictors(tmp_path / 'no.onnx', [PROTOCOLS['yolop']])


def test_model_file_predictor__is_that_of_the_vehicle(model_file, road_folder):
    data = open_data(road_folder)
    image = cv2.imread(str(road_folder / f'images/val/{data.names("val")[0]}.jpg'))
    prediction = ModelFilePredictor(model_file)(image, 'a')
    assert prediction.drivable.shape == (96, 160)
    assert (np.diff(prediction.scores) <= 0).all()
    assert prediction.scores.min() >= 0.05


@pytest.mark.parametrize(
    ('summary', 'message'),
    [
        (None, 'expected the summary of a finished `panoptic run`, found: FileNotFoundError'),
        ('', 'expected the summary'),
        ('[]', 'found: TypeError'),
        ('{"saved": ["json"]}', "found: KeyError 'engine'"),
    ],
)
def test_run_folder__without_a_whole_summary(tmp_path, summary, message):
    if summary is not None:
        (tmp_path / 'summary.json').write_text(summary)
    with pytest.raises(PredictorError, match=message):
        RunFolderPredictor(tmp_path)


def _copy(run_folder, target, change=lambda summary: None):
    target.mkdir()
    for file in run_folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    summary = json.loads((target / 'summary.json').read_text())
    change(summary)
    (target / 'summary.json').write_text(json.dumps(summary))
    return target


@pytest.mark.parametrize(
    ('saved', 'tasks'),
    [(['json'], {'detection'}), (['masks', 'overlay'], {'drivable', 'lane'})],
)
def test_run_folder__scores_what_was_saved(run_folder, tmp_path, saved, tasks):
    folder = _copy(run_folder, tmp_path / 'a', lambda s: s.update(saved=saved))
    assert RunFolderPredictor(folder).tasks == tasks


def test_run_folder__with_overlays_alone(run_folder, tmp_path):
    folder = _copy(run_folder, tmp_path / 'a', lambda s: s.update(saved=['overlay']))
    with pytest.raises(PredictorError, match='--save json,masks'):
        RunFolderPredictor(folder)


_BOX = '[{"box": [1, 2, 3, %s], "score": 0.5, "label": "%s"}]'


def _result(detections):
    return f'{{"width": 160, "height": 96, "detections": {detections}}}'.encode()


@pytest.mark.parametrize(
    ('file', 'content', 'kind', 'message'),
    [
        ('road_0.json', None, 'missing_result', "for the image 'road_0'"),
        ('road_0.json', b'{', 'missing_result', 'expected the JSON file'),
        ('road_0.json', b'{"width": 9, "height": 9, "detections": []}', 'wrong_size', 'found 9x9'),
        ('road_0.json', b'{"width": 160, "height": 96}', 'missing_result', 'detections'),
        ('road_0.json', _result('[[]]'), 'missing_result', 'TypeError'),
        ('road_0.json', _result('[{"box": [1, 2]}]'), 'missing_result', 'reshape'),
        ('road_0.json', _result(_BOX % ('NaN', 'vehicle')), 'missing_result', 'not finite'),
        ('road_0.json', _result(_BOX % ('9', 'tram')), 'missing_result', r"\['tram'\] that"),
        ('road_0.lane.png', None, 'missing_result', 'found none'),
        ('road_0.lane.png', b'x', 'missing_result', 'found none'),
    ],
)
def test_run_folder__damaged(run_folder, tmp_path, file, content, kind, message):
    folder = _copy(run_folder, tmp_path / 'a')
    (folder / file).unlink() if content is None else (folder / file).write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        RunFolderPredictor(folder)(np.zeros((96, 160, 3), np.uint8), 'road_0')
    assert caught.value.kind == kind


def test_run_folder__an_image_without_result_is_skipped_under_the_limit(
    run_folder, road_folder, tmp_path
):
    folder = _copy(run_folder, tmp_path / 'a')
    (folder / 'road_0.json').unlink()
    arguments = RunFolderPredictor(folder), open_data(road_folder), 'val', [PROTOCOLS['dataset']]
    with pytest.raises(DatasetError, match=r'--max-skipped.*road_0.json'):
        evaluate(*arguments)
    record = evaluate(*arguments, max_skipped=0.5).record()
    assert record['data']['images'] == 1
    assert record['data']['problems']['skipped_by_kind'] == {'missing_result': 1}
