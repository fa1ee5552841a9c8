# SPDX-License-Identifier: Apache-2.0
import argparse
from pathlib import Path

import pytest

from panoptic_perception.cli import prepare
from panoptic_perception.engines import installed
from panoptic_perception.engines import onnxruntime_engine as module
from panoptic_perception.engines.nvidia import gpu_name


@pytest.mark.skipif(bool(gpu_name()), reason='this machine has an NVIDIA GPU')
def test_prepare__without_a_gpu(panoptic, tiny_model, tmp_path):
    done = panoptic('prepare', tiny_model, XDG_CACHE_HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, '')
    assert 'device tensorrt needs an NVIDIA GPU and its driver' in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_prepare__no_model_file(panoptic, tmp_path):
    done = panoptic('prepare', tmp_path / 'nowhere.onnx')
    assert done.returncode == 2
    assert 'nowhere.onnx' in done.stderr


@pytest.mark.parametrize('can_write', [True, False])
def test_prepare__ready_only_if_something_is_kept(
    tiny_model, tmp_path, monkeypatch, capsys, can_write
):
    """TensorRT, which is not here, is played by the CPU and an empty file."""
    open_session = module._open_session

    def open_as_tensorrt(model, providers, threads):
        if folder := providers[0][1].get('trt_engine_cache_path'):
            Path(folder, 'graph.engine').touch()
        return open_session(model, [module._CPU], threads)

    monkeypatch.setattr(installed, 'obstacle', lambda way: '')
    monkeypatch.setattr(module, 'gpu_name', lambda: 'GPU')
    monkeypatch.setattr(module, '_open_session', open_as_tensorrt)
    root = tmp_path / 'cache'
    monkeypatch.setenv('XDG_CACHE_HOME', str(root))
    if not can_write:
        root.write_text('a file where the folder should be')
    done = prepare.main(argparse.Namespace(model=tiny_model))
    out, err = capsys.readouterr()
    assert done == (0 if can_write else 1)
    assert ('ready after' in out, 'nothing is kept' in err) == (can_write, not can_write)
    assert ('TensorRT builds at every start' in err) == (not can_write)
