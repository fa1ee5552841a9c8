# SPDX-License-Identifier: Apache-2.0
"""What is asked for, by the libraries that are really here."""

from __future__ import annotations

import os
import sys

import pytest

from panoptic_perception.core.results import EngineInfo
from panoptic_perception.engines import EngineError, ModelFileError, installed, load_engine
from panoptic_perception.engines.nvidia import gpu_name
from panoptic_perception.engines.policy import WAYS, Way

needs_no_gpu = pytest.mark.skipif(bool(gpu_name()), reason='this machine has an NVIDIA GPU')
CPU_WAYS = [way for way in WAYS if way.device == 'cpu']


@pytest.mark.parametrize(
    ('engine', 'provider'), [('onnxruntime', 'CPUExecutionProvider'), ('openvino', 'CPU')]
)
def test_load_engine__says_what_runs(tiny_model, engine, provider):
    loaded = load_engine(tiny_model, engine=engine)
    threads = min(2, len(os.sched_getaffinity(0)))
    assert loaded.info == EngineInfo(engine, provider, 'fp32', threads)
    assert loaded.model.path == tiny_model
    assert load_engine(tiny_model, engine=engine, device='cpu', threads=1).info.threads == 1


@needs_no_gpu
def test_load_engine__auto_is_openvino_on_a_cpu(tiny_model):
    assert load_engine(tiny_model).info.engine == 'openvino'


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'engine': 'tensorflow'}, 'engine must be one of auto, onnxruntime, openvino'),
        ({'device': 'gpu'}, 'device must be one of auto, cpu, cuda, tensorrt'),
        ({'precision': 'int8'}, r'tiny.onnx cannot run with .* this one holds fp32'),
        ({'engine': 'openvino', 'device': 'cuda'}, 'openvino does not run on cuda'),
        ({'threads': -1}, 'threads must be 0 .* found -1'),
        ({'threads': 2**40}, 'to 256, found 1099511627776'),
    ],
)
def test_load_engine__refused(tiny_model, options, words):
    with pytest.raises(EngineError, match=words):
        load_engine(tiny_model, **options)


@needs_no_gpu
@pytest.mark.parametrize('device', ['cuda', 'tensorrt'])
def test_load_engine__no_gpu(tiny_model, device):
    options = {'engine': 'onnxruntime', 'device': device, 'precision': 'auto'}
    if device == 'tensorrt':
        options['precision'] = 'fp16'
    reason = f'device {device} needs an NVIDIA GPU and its driver, and none was found'
    with pytest.raises(EngineError, match=reason):
        load_engine(tiny_model, **options)

    loaded = load_engine(tiny_model, **options, provider_policy='fallback')

    assert loaded.info.provider == 'CPUExecutionProvider'
    assert loaded.info.precision == 'fp32'
    assert loaded.info.note.startswith('onnxruntime on cpu in fp32 instead of engine onnxruntime')
    assert loaded.info.note.endswith(reason)


def test_load_engine__missing_file(tmp_path):
    with pytest.raises(ModelFileError, match='does not exist'):
        load_engine(tmp_path / 'missing.onnx')


def test_load_engine__openvino_is_missing(tiny_model, monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    assert load_engine(tiny_model).info.note == ''
    with pytest.raises(EngineError, match=r'openvino cannot be loaded .*: pip install openvino$'):
        load_engine(tiny_model, engine='openvino')
    loaded = load_engine(tiny_model, engine='openvino', provider_policy='fallback')
    assert loaded.info.engine == 'onnxruntime'
    assert 'pip install openvino' in loaded.info.note


def test_load_engine__onnxruntime_is_missing(tiny_model, monkeypatch):
    monkeypatch.setitem(sys.modules, 'panoptic_perception.engines.onnxruntime_engine', None)
    assert load_engine(tiny_model).info.engine == 'openvino'
    words = r'onnxruntime cannot be loaded .*: pip install onnxruntime$'
    with pytest.raises(EngineError, match=words):
        load_engine(tiny_model, engine='onnxruntime', device='cpu')


def test_load_engine__no_engine_at_all(tiny_model, monkeypatch):
    monkeypatch.setattr(installed, 'obstacle', lambda way: f'pip install {way.engine}')
    with pytest.raises(EngineError, match='pip install onnxruntime; pip install openvino'):
        load_engine(tiny_model, provider_policy='fallback')


@pytest.mark.filterwarnings('ignore:Specified provider')
def test_load_engine__cuda_that_looks_well_but_does_not_open(tiny_model, monkeypatch):
    """The package names the provider, its libraries are missing: never silence."""
    monkeypatch.setattr(installed, 'obstacle', lambda way: '')
    with pytest.raises(EngineError, match='CUDAExecutionProvider'):
        load_engine(tiny_model, device='cuda')

    loaded = load_engine(tiny_model)

    assert loaded.info.engine == 'openvino'
    assert 'CUDAExecutionProvider' in loaded.info.note


@pytest.mark.parametrize('engine', ['onnxruntime', 'openvino'])
def test_load_engine__graph_that_cannot_be_loaded(make_model, engine):
    def misspell(model):
        model.graph.node[0].op_type = 'Gatherer'

    with pytest.raises(EngineError, match=rf'{engine} cannot load .*model.onnx: .*Gatherer'):
        load_engine(make_model(misspell), engine=engine, device='cpu')


def test_obstacle__this_machine():
    assert [installed.obstacle(way) for way in CPU_WAYS if way.precision != 'bf16'] == [''] * 4


@pytest.mark.parametrize(('abilities', 'words'), [(['FP32', 'BF16'], ''), (['FP32'], 'no bf16')])
def test_obstacle__bf16(monkeypatch, abilities, words):
    import openvino

    monkeypatch.setattr(openvino.Core, 'get_property', lambda *_: abilities)
    found = installed.obstacle(Way('openvino', 'cpu', 'bf16'))
    assert words in found
    assert bool(words) == bool(found)


@pytest.mark.parametrize('device', ['cuda', 'tensorrt'])
def test_obstacle__a_package_without_the_provider(monkeypatch, device):
    monkeypatch.setattr(installed, 'gpu_name', lambda: 'NVIDIA A10')
    found = installed.obstacle(Way('onnxruntime', device, 'fp16'))
    assert 'pip install onnxruntime-gpu' in found
