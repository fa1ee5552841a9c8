# SPDX-License-Identifier: Apache-2.0
"""Whole experts, through the real engines, on small files of the public networks' form."""

import hashlib
import sys

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from model_tools.evaluation.experts.network import ExpertError
from model_tools.evaluation.experts.registry import EXPERTS, load_expert

IMAGE = np.full((64, 128, 3), 50, np.uint8)


def write_ir(path, input_shape, rows):
    image = ops.parameter(input_shape, np.float32, name='data')
    nothing = ops.multiply(ops.reduce_sum(image, [0, 1, 2, 3], keep_dims=True), np.float32(0))
    model = openvino.Model([ops.add(ops.constant(rows), nothing)], [image], 'rows')
    openvino.save_model(model, path, compress_to_fp16=False)


def test_yolox(tmp_path, write_network, yolox_rows):
    path = write_network(tmp_path / 'yolox_nano.onnx', (1, 3, 32, 64), {'rows': yolox_rows})
    expert = load_expert('yolox-nano-416', tmp_path, threads=1)
    found = expert(IMAGE, 'any')
    np.testing.assert_allclose(found.boxes, [[48, 24, 112, 56]], atol=1e-3)
    assert [expert.labels[label] for label in found.labels] == ['vehicle']
    assert expert.tasks == {'detection'}
    facts = expert.describe()
    assert facts['sha256'] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert facts['parameters_m'] == round(42 * 85 / 1e6, 3)
    assert facts['input'] == 'corner letterbox 64x32, BGR 0 to 255'
    assert facts['engine'] == {
        'engine': 'onnxruntime',
        'provider': 'CPUExecutionProvider',
        'precision': 'fp32',
        'threads': 1,
        'note': '',
    }
    assert facts['fixed'] == {
        'geometry': 'corner letterbox 64x32',
        'score_floor': 0.05,
        'nms_iou': 0.6,
        'max_boxes': 300,
    }


def test_nanodet__weights_among_the_inputs(tmp_path, write_network):
    cells = (32, 8, 2)
    outputs = {f'c{n}': np.zeros((1, n, 80), np.float32) for n in cells}
    outputs |= {f'd{n}': np.zeros((1, n, 32), np.float32) for n in cells}
    outputs['c8'][0, 5, 0] = 0.5
    outputs['d8'][0, 5].reshape(4, 8)[:, 1] = 200
    write_network(tmp_path / 'nanodet_m.onnx', (1, 3, 32, 64), outputs, weight_is_input=True)
    found = load_expert('nanodet-m-416', tmp_path, threads=1)(IMAGE, 'any')
    np.testing.assert_allclose(found.boxes, [[16, 16, 80, 64]], atol=1e-2)
    assert found.labels.tolist() == [1]


def test_road_segmentation__follows_the_image(tmp_path, write_road_network):
    write_road_network(tmp_path / 'road-segmentation-adas-0001.onnx', 32, 64)
    expert = load_expert('road-segmentation', tmp_path, threads=1)
    image = np.zeros((64, 128, 3), np.uint8)
    image[32:] = 100, 0, 0  # blue below: road
    image[:, :64, 2] = 50  # red on the left: marking
    found = expert(image, 'any')
    assert found.drivable.shape == found.lane.shape == (32, 64)
    assert (found.drivable[0, 0], found.drivable[0, -1]) == (50, 0)
    assert (found.drivable[-1, 0], found.drivable[-1, -1]) == (150, 100)
    assert (found.lane[-1, 0], found.lane[-1, -1]) == (50, 0)
    assert expert.labels == ()
    assert expert.tasks == {'drivable', 'lane'}
    assert expert.describe()['fixed'] == {'geometry': 'stretch 64x32'}


def test_twinlitenet_plus__without_its_bars(tmp_path, write_network):
    logits = np.zeros((1, 2, 48, 64), np.float32)
    logits[0, 1, 8:40] = 10
    outputs = {'da': logits, 'll': -logits}
    write_network(tmp_path / 'twinlitenetplus_small.onnx', (1, 3, 48, 64), outputs)
    found = load_expert('twinlitenetplus-small', tmp_path, threads=1)(IMAGE, 'any')
    assert found.drivable.shape == (32, 64)
    assert found.drivable.min() == 255
    assert found.lane.max() == 0


def test_vehicle_detection__openvino_in_fp32(tmp_path):
    rows = np.zeros((1, 1, 200, 7), np.float32)
    rows[0, 0, 0] = 0, 1, 0.9, 0.25, 0.5, 0.75, 1.0
    rows[0, 0, 1] = -1
    path = tmp_path / EXPERTS['vehicle-detection'].file
    write_ir(path, [1, 3, 32, 64], rows)
    expert = load_expert('vehicle-detection', tmp_path, threads=1)
    for _ in range(2):
        found = expert(IMAGE, 'any')
        np.testing.assert_allclose(found.boxes, [[32, 32, 96, 64]], atol=1e-3)
    assert expert.labels == ('vehicle',)
    facts = expert.describe()
    assert facts['engine'] == {
        'engine': 'openvino',
        'provider': 'CPU',
        'precision': 'fp32',
        'threads': 1,
        'note': '',
    }
    both = path.read_bytes() + path.with_suffix('.bin').read_bytes()
    assert facts['sha256'] == hashlib.sha256(both).hexdigest()
    path.with_suffix('.bin').unlink()
    with pytest.raises(ExpertError, match=r'\.bin.* is no file'):
        load_expert('vehicle-detection', tmp_path, threads=1)


def test_vehicle_detection__without_openvino(tmp_path, monkeypatch):
    (tmp_path / EXPERTS['vehicle-detection'].file).touch()
    monkeypatch.setitem(sys.modules, 'openvino', None)
    monkeypatch.delitem(
        sys.modules, 'model_tools.evaluation.experts.openvino_network', raising=False
    )
    with pytest.raises(ExpertError, match='pip install openvino'):
        load_expert('vehicle-detection', tmp_path, threads=1)


def test_load_expert__unknown_name(tmp_path):
    with pytest.raises(ExpertError, match="'yolo'; known: yolox-nano-640, "):
        load_expert('yolo', tmp_path, threads=1)


def test_load_expert__missing_file(tmp_path):
    with pytest.raises(ExpertError, match=r'yolox_nano\.onnx.* is no file'):
        load_expert('yolox-nano-416', tmp_path, threads=1)


@pytest.mark.parametrize('name', ['yolox-nano-416', 'vehicle-detection'])
def test_load_expert__no_network_in_the_file(tmp_path, name):
    path = tmp_path / EXPERTS[name].file
    path.write_bytes(b'<html>404</html>')
    path.with_suffix('.bin').write_bytes(b'')
    with pytest.raises(ExpertError, match='can'):
        load_expert(name, tmp_path, threads=1)


@pytest.mark.parametrize(
    ('input_shape', 'output_shape', 'sentence'),
    [
        ((1, 3, 32, 64), (1, 41, 85), r'outputs of shape \(1, 42, 85\), found \(1, 41, 85\)'),
        ((1, 3, 32, 64), (1, 42, 6), r'found \(1, 42, 6\): is it the file of another network'),
        ((2, 3, 32, 64), (1, 42, 85), r'one input .* found \(2, 3, 32, 64\)'),
        ((1, 3, 'height', 64), (1, 42, 85), r'found \(1, 3, height, 64\)'),
        ((1, 3, None, 64), (1, 42, 85), r'found \(1, 3, \?, 64\)'),
    ],
)
def test_load_expert__file_of_another_network(
    tmp_path, write_network, input_shape, output_shape, sentence
):
    outputs = {'rows': np.zeros(output_shape, np.float32)}
    write_network(tmp_path / 'yolox_nano.onnx', input_shape, outputs)
    with pytest.raises(ExpertError, match=sentence):
        load_expert('yolox-nano-416', tmp_path, threads=1)
