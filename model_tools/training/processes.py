# SPDX-License-Identifier: Apache-2.0
"""On how many devices of how many machines a run is spread out."""

from __future__ import annotations

import os
from typing import Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import TorchElasticEnvironment
from torch import distributed


def make_fabric(
    precision: Literal['bf16-mixed', '32-true'], devices: int | None, nodes: int | None
) -> Fabric:
    """
    Return what runs one process on each device; call its `launch` first of all.

    By default these are all GPUs of this machine, or one process where there is none. `torchrun`
    decides for itself.

    Raises:
        ValueError: There are fewer devices, or less than one is asked for.
    """
    cuda = torch.cuda.is_available()
    if TorchElasticEnvironment.detect():
        devices = int(os.environ['LOCAL_WORLD_SIZE'])
        nodes = int(os.environ['WORLD_SIZE']) // devices
    devices = max(1, torch.cuda.device_count()) if devices is None else devices
    nodes = 1 if nodes is None else nodes
    if min(devices, nodes) < 1:
        raise ValueError(f'--devices {devices} --nodes {nodes}: expected at least one of each')
    if cuda and devices > torch.cuda.device_count():
        raise ValueError(f'--devices {devices}: this machine has {torch.cuda.device_count()} GPUs')
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
