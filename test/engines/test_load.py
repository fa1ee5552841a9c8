# SPDX-License-Identifier: Apache-2.0
"""What is asked for, by the libraries that are really here."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from importlib.util import find_spec

import pytest

from panoptic_perception.core.results import EngineInfo
from panoptic_perception.engines import EngineError, ModelFileError, installed, load, load_engine
from panoptic_perception.engines.nvidia import gpu_name
from panoptic_perception.engines.onnxruntime_engine import (
    PROVIDERS,
    OnnxRuntimeEngine,
    available_providers,
)
from panoptic_perception.engines.policy import WAYS, Way
from panoptic_perception.engines.quiet_openvino import import_openvino

needs_no_gpu = pytest.mark.skipif(bool(gpu_name()), reason='this machine has an NVIDIA GPU')
needs_openvino = pytest.mark.skipif(not find_spec('openvino'), reason='openvino is missing')
CPU_WAYS = [way for way in WAYS if way.device == 'cpu']


def raise_no_plugin(*_):
    raise RuntimeError('no plugin')


@pytest.fixture
def int8_model(make_model):
    """Return a model file that says it holds int8; what its graph holds is not the point."""
    return make_model(metadata={'panoptic.precision': '"int8"'})


@pytest.mark.parametrize(
    ('engine', 'provider'),
    [
        ('onnxruntime', 'CPUExecutionProvider'),
        pytest.param('openvino', 'CPU', marks=needs_openvino),
    ],
)
def test_load_engine__says_what_runs(tiny_model, engine, provider):
    loaded = load_engine(tiny_model, engine=engine, device='cpu', threads=1)
    assert loaded.info == EngineInfo(engine, provider, 'fp32', 1)
    assert loaded.model.path == tiny_model
    automatic = load_engine(tiny_model, engine=engine, device='cpu')
    assert 1 <= automatic.info.threads <= min(2, len(os.sched_getaffinity(0)))
    assert automatic.info.note == ''


@needs_openvino
def test_load_engine__a_way_that_opens_and_does_not_answer(tiny_model, monkeypatch):
    """As with a GPU whose memory is full: its session opens, and the first image fails."""

    def failing(engine, images):
        raise RuntimeError('out of memory')

    monkeypatch.setattr(OnnxRuntimeEngine, '_infer', failing)
    make, made, alive = load._made, [], []

    def watched(*args):
        alive.extend(lost() for lost in made)
        engine = make(*args)
        made.append(weakref.ref(engine))
        return engine

    monkeypatch.setattr(load, '_made', watched)
    loaded = load_engine(tiny_model, device='cpu')
    assert alive == [None]  # its memory is free
    assert loaded.info.engine == 'openvino'
    assert 'out of memory' in loaded.info.note
    asked = {'engine': 'onnxruntime', 'device': 'cpu', 'precision': 'bf16'}
    note = load_engine(tiny_model, **asked, provider_policy='fallback').info.note
    assert 'bf16' in note
    assert note.count('out of memory') == 1
    with pytest.raises(EngineError, match='out of memory'):
        load_engine(tiny_model, engine='onnxruntime', device='cpu')


@needs_openvino
def test_load_engine__auto_on_a_cpu(tiny_model, int8_model):
    assert load_engine(tiny_model, device='cpu').info.engine == 'onnxruntime'
    info = load_engine(int8_model, device='cpu').info
    assert info.engine == 'openvino'
    assert info.note == 'openvino computes no convolution of this file in 8 bits on this CPU'


def test_load_engine__auto_never_imports_openvino_for_float_files(tiny_model):
    code = (
        'import sys; from panoptic_perception.engines import load_engine;'
        "load_engine(sys.argv[1], device='cpu').warm_up(); print('openvino' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, '-c', code, str(tiny_model)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == 'False\n'


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
    options = {'engine': 'onnxruntime', 'device': device}
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
    with pytest.raises(EngineError, match=r'openvino cannot be loaded .*: pip install openvino$'):
        load_engine(tiny_model, engine='openvino')
    loaded = load_engine(tiny_model, engine='openvino', provider_policy='fallback')
    assert loaded.info.engine == 'onnxruntime'
    assert 'pip install openvino' in loaded.info.note


def test_load_engine__auto_where_openvino_is_missing(int8_model, monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    info = load_engine(int8_model).info
    assert (info.engine, info.precision) == ('onnxruntime', 'int8')
    assert info.note.endswith(
        'slower than the float32 file: run it in openvino (pip install openvino)'
    )


@needs_openvino
@pytest.mark.parametrize(
    'part',
    [
        'panoptic_perception.engines.openvino_engine.openvino_core',
        'openvino.Core.compile_model',
        'openvino.CompiledModel.get_property',
        'openvino.CompiledModel.create_infer_request',
    ],
)
def test_load_engine__openvino_that_does_not_start(int8_model, monkeypatch, part):
    """It can be imported, and then a plugin is missing or the CPU does not suit it."""
    import_openvino()  # before monkeypatch does, which would let it report
    monkeypatch.setattr(part, raise_no_plugin)
    with pytest.raises(EngineError, match=r'openvino cannot load .*model.onnx: no plugin'):
        load_engine(int8_model, engine='openvino')

    info = load_engine(int8_model).info

    assert (info.engine, info.precision) == ('onnxruntime', 'int8')
    assert info.note.startswith('openvino cannot load ')
    assert 'slower than the float32 file' in info.note


@needs_openvino
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


@needs_no_gpu
@pytest.mark.filterwarnings('ignore:Specified provider')
def test_load_engine__cuda_that_looks_well_but_does_not_open(tiny_model, monkeypatch):
    """The package names the provider, its libraries are missing: never silence."""
    monkeypatch.setattr(installed, 'obstacle', lambda way: '')
    with pytest.raises(EngineError, match='CUDAExecutionProvider'):
        load_engine(tiny_model, device='cuda')

    loaded = load_engine(tiny_model)

    assert loaded.info.provider == 'CPUExecutionProvider'
    assert 'CUDAExecutionProvider' in loaded.info.note


@pytest.mark.parametrize('engine', ['onnxruntime', pytest.param('openvino', marks=needs_openvino)])
def test_load_engine__graph_that_cannot_be_loaded(make_model, engine):
    def misspell(model):
        model.graph.node[0].op_type = 'Gatherer'

    with pytest.raises(EngineError, match=rf'{engine} cannot load .*model.onnx: .*Gatherer'):
        load_engine(make_model(misspell), engine=engine, device='cpu')


@needs_openvino
def test_obstacle__this_machine():
    assert [installed.obstacle(way) for way in CPU_WAYS if 'bf16' not in way.precision] == [''] * 4


@needs_openvino
@pytest.mark.parametrize(
    ('get_property', 'words'),
    [
        (lambda *_: ['FP32', 'BF16'], ''),
        (lambda *_: ['FP32'], 'this CPU has no bf16: choose precision auto'),
        (raise_no_plugin, 'openvino does not start (no plugin): pip install --force-reinstall'),
    ],
)
def test_obstacle__bf16(monkeypatch, get_property, words):
    monkeypatch.setattr(import_openvino().Core, 'get_property', get_property)
    found = installed.obstacle(Way('openvino', 'cpu', 'bf16'))
    assert found.startswith(words)
    assert bool(found) == bool(words)


@pytest.mark.parametrize('device', ['cuda', 'tensorrt'])
def test_obstacle__a_package_without_the_provider(monkeypatch, device):
    monkeypatch.setattr(installed, 'gpu_name', lambda: 'NVIDIA A10')
    if PROVIDERS[device] in available_providers():
        pytest.skip(f'{PROVIDERS[device]} is here')
    found = installed.obstacle(Way('onnxruntime', device, 'fp16'))
    assert 'pip install onnxruntime-gpu' in found
