# SPDX-License-Identifier: Apache-2.0
"""What only ONNX Runtime does: damaged graphs, providers that cannot start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from panoptic_perception.engines import EngineError, ModelFileError, load_engine, read_model
from panoptic_perception.engines import onnxruntime_engine as module
from panoptic_perception.engines.onnxruntime_engine import OnnxRuntimeEngine, available_providers


@pytest.mark.parametrize('package', ['panoptic_perception.engines', 'model_tools.export.summary'])
def test_engine__reports_to_nobody(tiny_model, tmp_path, package):
    code = f"""if True:
        import sys
        import {package}, onnxruntime
        onnxruntime.InferenceSession(sys.argv[1])
    """
    quiet = {key: value for key, value in os.environ.items() if key != 'ORT_DISABLE_TELEMETRY'}
    environment = {**quiet, 'XDG_CACHE_HOME': str(tmp_path)}
    subprocess.run([sys.executable, '-c', code, tiny_model], env=environment, check=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings('ignore:Specified provider')
@pytest.mark.parametrize(
    ('device', 'precision', 'provider'),
    [
        ('cuda', 'fp32', 'CUDAExecutionProvider'),
        ('tensorrt', 'fp16', 'TensorrtExecutionProvider'),
    ],
)
def test_engine__refuses_to_run_on_another_provider(
    tiny_model, tmp_path, monkeypatch, device, precision, provider
):
    """A provider that does not start is left out by ONNX Runtime without an error."""
    if provider in available_providers():
        pytest.skip(f'{provider} is here')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    model = read_model(tiny_model)
    with pytest.raises(EngineError, match=f'asked for {provider} but runs .*: install the libr'):
        OnnxRuntimeEngine(model, device=device, precision=precision, threads=1)
    assert not [path for path in tmp_path.rglob('*') if path.is_file()]


@pytest.mark.parametrize('takes', [True, False])
def test_engine__a_file_of_which_tensorrt_takes_nothing_is_refused(
    tiny_model, tmp_path, monkeypatch, takes
):
    """TensorRT, which is not here, would leave such a file to the other providers in silence."""
    open_session = module._open_session

    def open_as_tensorrt(model, providers, threads):
        name, settings = providers[0]
        assert name == 'TensorrtExecutionProvider'
        if takes:
            Path(settings['trt_engine_cache_path'], 'graph.engine').touch()
        return open_session(model, [module._CPU], threads)

    monkeypatch.setattr(module, '_open_session', open_as_tensorrt)
    monkeypatch.setattr(module, 'gpu_name', lambda: 'GPU')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))

    def load():
        return OnnxRuntimeEngine(
            read_model(tiny_model), device='tensorrt', precision='fp16', threads=1
        )

    if takes:
        engine = load()
        assert engine.info.provider == 'TensorrtExecutionProvider'
        assert (engine.kept_in / 'graph.engine').is_file()
    else:
        with pytest.raises(EngineError, match=r'takes no part of .*: set device: cuda'):
            load()
    kept = [path.name for path in tmp_path.rglob('*') if path.is_file()]
    assert kept == ['graph.engine'] * takes


def test_load_engine__damaged_files_are_refused_or_run(tiny_model, tmp_path):
    """Flip bits anywhere: nothing but the two named errors may come out."""
    content = tiny_model.read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / 'damaged.onnx'
    refused = 0
    for _ in range(200):
        damaged = bytearray(content)
        for place in rng.integers(len(content), size=rng.integers(1, 4)):
            damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            load_engine(path, engine='onnxruntime', device='cpu').warm_up()
        except (ModelFileError, EngineError):
            refused += 1
    assert refused > 150
