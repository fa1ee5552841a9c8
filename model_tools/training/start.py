# SPDX-License-Identifier: Apache-2.0
"""The weights that a run begins with: random, those of a run before, or public ones."""

from __future__ import annotations

from pathlib import Path

from model_tools.data.batches import plain_batch
from model_tools.data.cache import SampleCache
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.networks.warm_start import seed_batchnorm, warm_start
from model_tools.training.checkpoint import load_checkpoint, load_weights
from model_tools.training.config import TrainingConfig

SEED_IMAGES = 48
"""Images that give warm-started BatchNorms their first statistics."""


def begin(net: PanopticNet, config: TrainingConfig) -> list[str]:
    """Give a new network its first weights; return the modules that got public ones."""
    if config.start:
        path = Path(config.start)
        load_weights(net, load_checkpoint(path), path)
    return warm_start(net, Path(config.warm_start)) if config.warm_start else []


def measure(
    net: PanopticNet, config: TrainingConfig, started: list[str], cache: SampleCache
) -> None:
    """Give the BatchNorms of modules with public weights their first statistics."""
    step = max(1, len(cache) // SEED_IMAGES)
    indices = range(0, len(cache), step)[:SEED_IMAGES]
    device = next(net.parameters()).device
    images = plain_batch(cache, indices, config.input_wh).images.to(device)
    seed_batchnorm(net, images.float(), started)
