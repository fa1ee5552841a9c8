# SPDX-License-Identifier: Apache-2.0
"""Two processes with half of the images each learn what one process with all of them does."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).with_name('gradients.py')


def test_gradients_of_two_processes_are_those_of_one(tmp_path):
    runpy.run_path(str(SCRIPT))['main'](1, tmp_path / '1.pt')
    torchrun = [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node', '2']
    command = [*torchrun, SCRIPT, '2', tmp_path / '2.pt']
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    one, two = (torch.load(tmp_path / f'{n}.pt', weights_only=True) for n in (1, 2))
    assert one['values'] == pytest.approx(two['values'], rel=1e-4)
    assert one['gradients'].keys() == two['gradients'].keys()
    for name, gradient in one['gradients'].items():
        scale = gradient.abs().max()
        assert scale > 0, name
        # Rounding grows from one BatchNorm to the next; with statistics of its own part of the
        # batch in each process, the worst gradients are off by twelve times their scale.
        torch.testing.assert_close(two['gradients'][name], gradient, rtol=0, atol=3e-3 * scale)
    assert one['statistics'].keys() == two['statistics'].keys()
    for name, statistic in one['statistics'].items():
        torch.testing.assert_close(two['statistics'][name], statistic, rtol=1e-5, atol=1e-5)
