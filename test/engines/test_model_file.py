# SPDX-License-Identifier: Apache-2.0
"""Every way to break the model file contract, each with its sentence."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from panoptic_perception.core.results import Thresholds
from panoptic_perception.engines.model_file import (
    MAX_BYTES,
    ModelFileError,
    find_model,
    read_model,
    shipped_models,
)


def test_read_model__describes_the_file(tiny_model):
    info = read_model(tiny_model)
    assert info.path == tiny_model
    assert info.sha256 == hashlib.sha256(tiny_model.read_bytes()).hexdigest()
    assert info.schema == 1
    assert info.labels == ('vehicle', 'person', 'cycle')
    assert info.input_wh == (640, 384)
    assert info.batch_size is None
    assert info.pad_value == 114
    assert info.thresholds == Thresholds(score=0.3, drivable=0.5, lane=0.5)
    assert info.precision == 'fp32'
    assert info.provenance == {'origin': 'test fixture'}
    assert info.metrics == {}


def test_read_model__other_sizes_and_fixed_batch(make_model):
    info = read_model(str(make_model(height=64, width=96, batch=2, opset=20)))
    assert info.input_wh == (96, 64)
    assert info.batch_size == 2


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (b'', 'has 0 bytes; expected 1 to'),
        (b'\0', 'is not an ONNX file or is cut short'),
        (pickle.dumps({'weights': [1.0] * 100}), 'beginning with 80 04'),
        (b'PK\x03\x04' + bytes(100), 'beginning with 50 4b 03 04'),
        (b'version https://git-lfs.github.com/spec/v1\n', 'is not an ONNX file'),
    ],
    ids=['empty', 'one byte', 'pickle', 'zip', 'text'],
)
def test_read_model__not_onnx(tmp_path, content, words):
    path = tmp_path / 'model.onnx'
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=words) as caught:
        read_model(path)
    assert str(caught.value).startswith(f'model file {path} ')


def test_read_model__missing_directory_and_huge(tmp_path):
    with pytest.raises(ModelFileError, match=r'does not exist; .*, or of panoptic\.onnx'):
        read_model(tmp_path / 'missing.onnx')
    with pytest.raises(ModelFileError, match='is not a regular file'):
        read_model(tmp_path)
    huge = tmp_path / 'huge.onnx'
    with huge.open('wb') as file:
        os.truncate(file.fileno(), MAX_BYTES + 1)  # sparse, takes no room
    with pytest.raises(ModelFileError, match=f'has {MAX_BYTES + 1} bytes'):
        read_model(huge)


def test_read_model__every_truncation_is_refused(tiny_model, tmp_path):
    content = tiny_model.read_bytes()
    path = tmp_path / 'cut.onnx'
    for length in range(0, len(content), max(1, len(content) // 200)):
        path.write_bytes(content[:length])
        with pytest.raises(ModelFileError):
            read_model(path)


def rename(values, old: str, new: str) -> None:
    next(value for value in values if value.name == old).name = new


def retype(values, name: str, kind: int, shape: list) -> None:
    old = next(value for value in values if value.name == name)
    old.CopyFrom(helper.make_tensor_value_info(name, kind, shape))


def keep_outside(model: onnx.ModelProto, place: str) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key='location', value=place)


def hide_outside_in_a_branch(model: onnx.ModelProto) -> None:
    tensor = helper.make_tensor('inner', TensorProto.FLOAT, [1], [1.0])
    tensor.data_location = TensorProto.EXTERNAL
    branch = helper.make_graph([], 'branch', [], [], [tensor])
    model.graph.node.append(helper.make_node('If', ['c'], ['r'], then_branch=branch))


def use_domain(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid('com.microsoft', 1))


def use_undeclared_domain(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = 'org.example'


def add_function(model: onnx.ModelProto) -> None:
    model.functions.append(
        helper.make_function('org.example', 'F', ['a'], ['b'], [], model.opset_import)
    )


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (use_domain, r"domains \['com.microsoft'\]; expected only the default domain"),
        (use_undeclared_domain, r"domains \['org.example'\]"),
        (add_function, r"domains \['org.example'\]"),
        (lambda m: m.ClearField('opset_import'), 'operator set 0; expected 18 or newer'),
        (lambda m: m.ClearField('graph'), r"inputs \[\]; expected \['image'\]"),
        (lambda m: keep_outside(m, 'weights.bin'), 'without external data'),
        (lambda m: keep_outside(m, '../../etc/passwd'), 'without external data'),
        (hide_outside_in_a_branch, "tensor 'inner' in another file"),
        (
            lambda m: rename(m.graph.input, 'image', 'images'),
            r"has inputs \['images'\]; expected \['image'\]",
        ),
        (lambda m: m.graph.input.append(m.graph.output[0]), r"inputs \['image', 'boxes'\]"),
        (lambda m: rename(m.graph.output, 'lane', 'lanes'), "'lanes'"),
        (lambda m: m.graph.output.pop(), r"outputs \['boxes', .*'drivable'\]; expected"),
        (
            lambda m: retype(m.graph.input, 'image', TensorProto.FLOAT, ['N', 384, 640, 3]),
            r"'image' as float \[N, 384, 640, 3\]; expected uint8 \[N, 384, 640, 3\]",
        ),
        (
            lambda m: retype(m.graph.input, 'image', TensorProto.UINT8, ['N', 3, 384, 640]),
            r'expected uint8 \[N, 384, 640, 3\]',
        ),
        (
            lambda m: retype(m.graph.input, 'image', TensorProto.UINT8, ['N', 'H', 640, 3]),
            r'uint8 \[N, H, 640, 3\]',
        ),
        (
            lambda m: retype(m.graph.output, 'boxes', TensorProto.FLOAT, ['M', 6]),
            r"'boxes' as float \[M, 6\]; expected float \[M, 4\]",
        ),
        (
            lambda m: retype(m.graph.output, 'labels', TensorProto.INT32, ['M']),
            r"'labels' as int32 \[M\]; expected int64 \[M\]",
        ),
        (
            lambda m: retype(m.graph.output, 'drivable', TensorProto.FLOAT, ['N', 384, 640]),
            "'drivable' as float",
        ),
        (
            lambda m: retype(m.graph.output, 'lane', TensorProto.UINT8, ['N', 96, 160]),
            r"'lane' as uint8 \[N, 96, 160\]",
        ),
    ],
)
def test_read_model__broken_graph(make_model, change, words):
    with pytest.raises(ModelFileError, match=words):
        read_model(make_model(change))


def test_read_model__old_operator_set(make_model):
    with pytest.raises(ModelFileError, match='operator set 17; expected 18 or newer'):
        read_model(make_model(opset=17))


KEYS = ['schema', 'labels', 'input', 'thresholds', 'precision', 'provenance', 'metrics']


@pytest.mark.parametrize('key', KEYS)
@pytest.mark.parametrize(
    ('text', 'words'),
    [
        (None, 'has no metadata {key!r}'),
        ('', '{key!r} that is not JSON'),
        ('{"a":', '{key!r} that is not JSON'),
        ('[' * 100_000, '{key!r} that is not JSON'),
        ('null', '{key!r} of type NoneType'),
        ('true', '{key!r} of type bool'),
        ('1.5', '{key!r} of type float'),
    ],
)
def test_read_model__broken_metadata(make_model, key, text, words):
    key = f'panoptic.{key}'
    with pytest.raises(ModelFileError, match=words.format(key=key)):
        read_model(make_model(metadata={key: text}))


INPUT = {'height': 384, 'width': 640, 'colour': 'bgr', 'pad_value': 114}
THRESHOLDS = {'score': 0.3, 'drivable': 0.5, 'lane': 0.5}


@pytest.mark.parametrize(
    ('key', 'value', 'words'),
    [
        ('schema', 2, 'has schema 2; this version reads schema 1'),
        ('labels', [], 'a list of names'),
        ('labels', ['vehicle', ''], 'a list of names'),
        ('labels', ['vehicle', 3], 'a list of names'),
        ('labels', ['vehicle', 'vehicle'], 'every name once'),
        ('input', {}, "input colour None; expected 'bgr'"),
        ('input', INPUT | {'colour': 'rgb'}, "input colour 'rgb'"),
        ('input', INPUT | {'height': 360}, 'expected uint8'),
        ('input', INPUT | {'height': 0}, "'height' 0; expected a whole number 1 to 8192"),
        ('input', INPUT | {'width': 640.0}, "'width' 640.0"),
        ('input', INPUT | {'width': 10**9}, "'width' 1000000000"),
        ('input', INPUT | {'pad_value': 256}, "'pad_value' 256; expected a whole number 0 to 255"),
        ('input', INPUT | {'pad_value': True}, "'pad_value' True"),
        ('thresholds', {'score': 0.3, 'lane': 0.5}, "'drivable' None; expected a number 0 to 1"),
        ('thresholds', THRESHOLDS | {'score': 1.1}, "'score' 1.1"),
        ('thresholds', THRESHOLDS | {'score': -0.1}, "'score' -0.1"),
        ('thresholds', THRESHOLDS | {'lane': '0.5'}, "'lane' '0.5'"),
        ('thresholds', THRESHOLDS | {'lane': float('nan')}, "'lane' nan"),
        ('thresholds', THRESHOLDS | {'lane': True}, "'lane' True"),
        ('precision', 'fp64', "precision 'fp64'; expected one of"),
    ],
)
def test_read_model__metadata_out_of_range(make_model, key, value, words):
    path = make_model(metadata={f'panoptic.{key}': json.dumps(value)})
    with pytest.raises(ModelFileError, match=words):
        read_model(path)


SHIPPED = find_model().parent


@pytest.mark.parametrize(
    ('model', 'path'),
    [
        (None, SHIPPED / 'panoptic.onnx'),
        ('', SHIPPED / 'panoptic.onnx'),
        ('panoptic.onnx', SHIPPED / 'panoptic.onnx'),
        (Path('panoptic.onnx'), SHIPPED / 'panoptic.onnx'),
        ('other.onnx', Path('other.onnx')),
        ('folder/panoptic.onnx', Path('folder/panoptic.onnx')),
        ('/panoptic.onnx', Path('/panoptic.onnx')),
        ('~/panoptic.onnx', Path.home() / 'panoptic.onnx'),
        ('MODEL_CARD.md', Path('MODEL_CARD.md')),
        ('.', Path('.')),
    ],
)
def test_find_model(tmp_path, monkeypatch, model, path):
    monkeypatch.chdir(tmp_path)
    assert find_model(model) == path


def test_find_model__a_file_here_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'panoptic.onnx').touch()
    assert find_model('panoptic.onnx') == Path('panoptic.onnx')
    assert find_model() == SHIPPED / 'panoptic.onnx'


def test_shipped_models__the_default_first():
    found = shipped_models()
    assert found[0] == SHIPPED / 'panoptic.onnx'
    assert set(found) == set(SHIPPED.glob('*.onnx'))
