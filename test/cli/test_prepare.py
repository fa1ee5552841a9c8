# SPDX-License-Identifier: Apache-2.0
import pytest

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
