# SPDX-License-Identifier: Apache-2.0
import os
import signal
import subprocess
import sys
import time

import pytest

from model_tools.training.processes import make_fabric, together

LAUNCHED = """
import os, time
from model_tools.training.processes import make_fabric
make_fabric('32-true', 2, 1)
print(os.getpid(), flush=True)
time.sleep(60)
"""
FIRST = """
import subprocess, sys, time
subprocess.Popen([sys.executable, '-c', sys.argv[1]])
time.sleep(60)
"""


def test_make_fabric__launched_process_ends_with_the_first_one(monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '1')
    command = [sys.executable, '-c', FIRST, LAUNCHED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        launched = int(first.stdout.readline())
        first.kill()
        deadline = time.monotonic() + 10
        while _lives(launched) and time.monotonic() < deadline:
            time.sleep(0.05)
        alive = _lives(launched)
        if alive:
            os.kill(launched, signal.SIGKILL)
    assert not alive


@pytest.mark.parametrize(
    'environment', [{}, {'MASTER_ADDR': 'first'}, {'NODE_RANK': '0', 'LOCAL_RANK': '0'}]
)
def test_make_fabric__machines_that_would_wait_for_each_other(monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=r'--nodes 2: .* torchrun --nnodes 2 --nproc-per-node 1'):
        make_fabric('32-true', None, 2)


@pytest.mark.parametrize(
    'environment',
    [
        {'MASTER_ADDR': 'first', 'NODE_RANK': '1'},
        {'SLURM_NTASKS': '2', 'SLURM_JOB_NAME': 'train', 'SLURM_JOB_ID': '1'}
        | dict.fromkeys(('SLURM_PROCID', 'SLURM_LOCALID', 'SLURM_NODEID'), '0')
        | {'SLURM_NNODES': '2', 'SLURM_NTASKS_PER_NODE': '1', 'SLURM_NODELIST': 'a,b'},
        dict.fromkeys(('TORCHELASTIC_RUN_ID', 'LOCAL_WORLD_SIZE', 'RANK', 'LOCAL_RANK'), '1')
        | {'WORLD_SIZE': '2', 'GROUP_RANK': '1'},
    ],
    ids=['by hand', 'SLURM', 'torchrun'],
)
def test_make_fabric__machines_that_know_each_other(monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert make_fabric('32-true', 1, 2).world_size == 2


def test_together__lost_process_is_told_from_other_errors():
    with pytest.raises(ConnectionError, match='another process of this run has ended'), together():
        raise RuntimeError(
            '[gloo/transport/tcp/pair.cc:553] Connection closed by peer [::1]:29063'
        )
    with pytest.raises(RuntimeError, match='something else'), together():
        raise RuntimeError('something else')


def _lives(pid):
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().split(') ')[1][0] != 'Z'
    except FileNotFoundError:
        return False
