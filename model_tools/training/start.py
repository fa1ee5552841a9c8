# SPDX-License-Identifier: Apache-2.0
"""The weights that a run begins with: random, those of another run, or public ones."""

from __future__ import annotations

from pathlib import Path

import torch

from model_tools.data.batches import plain_batch
from model_tools.data.cache import SampleCache
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.networks.refit import pair_blocks, refit
from model_tools.networks.warm_start import seed_batchnorm, warm_start
from model_tools.training.checkpoint import load_checkpoint, load_network, load_weights
from model_tools.training.config import TrainingConfig

SEED_IMAGES = 48
"""Images that give warm-started BatchNorms their first statistics."""
REFIT_IMAGES = 128
"""Images that a network of other convolutions is fitted on."""


def begin(net: PanopticNet, config: TrainingConfig) -> list[str]:
    """Give a new network its first weights; return the modules that got public ones."""
    if config.start:
        path = Path(config.start)
        load_weights(net, load_checkpoint(path), path)
    if config.refit:
        pair_blocks(net, load_network(Path(config.refit)))
    return warm_start(net, Path(config.warm_start)) if config.warm_start else []


def adapt(
    net: PanopticNet, config: TrainingConfig, started: list[str], cache: SampleCache
) -> None:
    """Do what the first weights need images for.

    BatchNorms of modules with public weights get their first statistics; a network that is to
    begin as one of other convolutions is fitted to it.
    """
    if started:
        seed_batchnorm(net, _images(net, config, cache, SEED_IMAGES), started)
    if config.refit:
        images = _images(net, config, cache, REFIT_IMAGES)
        refit(net, load_network(Path(config.refit)).to(images.device), images)


def _images(
    net: PanopticNet, config: TrainingConfig, cache: SampleCache, count: int
) -> torch.Tensor:
    indices = range(0, len(cache), max(1, len(cache) // count))[:count]
    device = next(net.parameters()).device
    return plain_batch(cache, indices, config.input_wh).images.to(device).float()
