# SPDX-License-Identifier: Apache-2.0
"""Two processes with half of the images each learn what one process with all of them does."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).with_name('gradients.py')


def _run(tmp_path, processes, *, launcher=()):
    out = tmp_path / f'{processes}.pt'
    command = [sys.executable, *launcher, SCRIPT, str(processes), out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return torch.load(out, weights_only=True)


@pytest.fixture(scope='module')
def one(tmp_path_factory):
    return _run(tmp_path_factory.mktemp('one'), 1)


@pytest.mark.parametrize(
    'launcher', [(), ('-m', 'torch.distributed.run', '--nproc_per_node', '2')]
)
def test_gradients_of_two_processes_are_those_of_one(one, tmp_path, launcher):
    two = _run(tmp_path, 2, launcher=launcher)
    assert one['values'] == pytest.approx(two['values'], rel=1e-5)
    assert one['gradients'].keys() == two['gradients'].keys()
    for name, gradient in one['gradients'].items():
        scale = gradient.abs().max()
        assert scale > 0, name
        torch.testing.assert_close(two['gradients'][name], gradient, rtol=0, atol=1e-4 * scale)
