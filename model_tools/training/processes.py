# SPDX-License-Identifier: Apache-2.0
"""On how many devices of how many machines a run is spread out."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterator
from typing import Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
from torch import distributed


def make_fabric(
    precision: Literal['bf16-mixed', '32-true'], devices: int | None, nodes: int | None
) -> Fabric:
    """
    Return what runs one process on each device; call its `launch` first of all.

    By default these are all GPUs of this machine, or one process where there is none. `torchrun`
    decides for itself.

    Raises:
        ValueError: There are fewer devices, or less than one is asked for, or several machines
            that know nothing of each other.
    """
    cuda = torch.cuda.is_available()
    elastic = TorchElasticEnvironment.detect()
    if elastic:
        devices = int(os.environ['LOCAL_WORLD_SIZE'])
        nodes = int(os.environ['WORLD_SIZE']) // devices
    devices = max(1, torch.cuda.device_count()) if devices is None else devices
    nodes = 1 if nodes is None else nodes
    if min(devices, nodes) < 1:
        raise ValueError(f'--devices {devices} --nodes {nodes}: expected at least one of each')
    if cuda and devices > torch.cuda.device_count():
        raise ValueError(f'--devices {devices}: this machine has {torch.cuda.device_count()} GPUs')
    if nodes > 1 and not (elastic or _knows_other_machines()):
        raise ValueError(
            f'--nodes {nodes}: expected the environment of torchrun or SLURM, or MASTER_ADDR and '
            'NODE_RANK, found none of them: on each machine start torchrun --nnodes '
            f'{nodes} --nproc-per-node {devices} --rdzv-backend c10d --rdzv-endpoint HOST:29500 '
            '-m model_tools.cli train ...'
        )
    if not elastic and int(os.environ.get('LOCAL_RANK', 0)):
        _end_with_parent()
    return Fabric(
        accelerator='cuda' if cuda else 'cpu',
        devices=devices,
        num_nodes=nodes,
        precision=precision,
    )


def part(fabric: Fabric) -> None:
    """Wait until all processes are done: one that ends with an error code ends the others."""
    fabric.barrier()
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Say in a sentence that another process of the run was lost: ConnectionError."""
    try:
        yield
    except RuntimeError as error:
        if 'by peer' not in str(error):  # what gloo says, which has no error of its own
            raise
        raise ConnectionError(
            'another process of this run has ended, which ends this one: look at its own message, '
            'then give the same command to go on from the last checkpoint'
        ) from error


def _knows_other_machines() -> bool:
    """Return whether this machine can find the others, or would wait for them for good."""
    return SLURMEnvironment.detect() or {'MASTER_ADDR', 'NODE_RANK'} <= os.environ.keys()


def _end_with_parent() -> None:
    """End this process, which was launched by the first one, when that one ends: Linux does it.

    However the first one ends: the others may be waiting for it in a collective, for good.
    """
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
