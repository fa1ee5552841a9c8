# SPDX-License-Identifier: Apache-2.0
"""Run a network on shapes alone: no arithmetic, so that it tells fast what it would do."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.func import functional_call


@torch.no_grad()
def run_on_shapes(net: nn.Module, shape: tuple[int, ...]) -> Any:
    """Return what a network makes of an image of this shape, without values (device 'meta').

    Raises:
        RuntimeError: Its layers do not fit together.

    """
    given = [*net.named_parameters(), *net.named_buffers()]
    tensors = {name: tensor.to('meta') for name, tensor in given}
    with torch.device('meta'):  # for what the network makes itself
        return functional_call(net, tensors, torch.empty(shape))
