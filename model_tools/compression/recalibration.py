# SPDX-License-Identifier: Apache-2.0
"""Measure the statistics of BatchNorms anew: those of a pruned network's parent mislead it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


class RecalibrationError(ValueError):
    """There is no image to measure on."""


@torch.no_grad()
def recalibrate(net: nn.Module, images: Iterable[torch.Tensor]) -> None:
    """Replace the running statistics of all BatchNorms by their means over batches.

    Args:
        net: Changed in place but for its modes; only BatchNorms are in training mode meanwhile.
        images: Batches that `net` takes; each counts the same. A few hundred images are enough.

    Raises:
        RecalibrationError: There is no batch; the statistics stay as they are.

    """
    batches = iter(images)
    first = next(batches, None)
    if first is None:
        raise RecalibrationError('no image to measure the statistics of BatchNorms on')
    norms = [m for m in net.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    modes = {module: module.training for module in net.modules()}
    momenta = {norm: norm.momentum for norm in norms}
    net.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
        norm.momentum = None  # a mean over all batches, not one that forgets
    try:
        for batch in chain([first], batches):
            net(batch)
    finally:
        for module, mode in modes.items():
            module.training = mode
        for norm, momentum in momenta.items():
            norm.momentum = momentum
