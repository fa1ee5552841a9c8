# SPDX-License-Identifier: Apache-2.0
"""Save and load a run's state: weights, averaged weights, optimiser and progress."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from model_tools.networks.panoptic_net import NetworkConfig, PanopticNet

PARTS = {'network', 'training', 'averaged'}
"""What a checkpoint holds at least: enough to run its network."""


class CheckpointError(ValueError):
    """A checkpoint is missing, not readable, or of another network."""


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write atomically, so that an interrupted run leaves the previous checkpoint whole."""
    temporary = path.with_suffix('.tmp')
    torch.save(state, temporary)
    os.replace(temporary, path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values are accepted."""
    expected = f"'{path}': expected a checkpoint of `model_tools train`"
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"'{path}': no such checkpoint; train first") from None
    except Exception as error:
        # Torch's own words fill paragraphs, and advise to read the file unsafely.
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise CheckpointError(f'{expected}, found: {reason}') from error
    found = set(state) if isinstance(state, dict) else set()
    if missing := sorted(PARTS - found):
        raise CheckpointError(f'{expected}, found one without {missing}')
    return state


def load_network(path: Path) -> PanopticNet:
    """Return the network with the averaged weights of a checkpoint, in evaluation mode."""
    state = load_checkpoint(path)
    net = PanopticNet(NetworkConfig.from_dict(state['network']))
    net.load_state_dict(state['averaged'])
    return net.eval()
