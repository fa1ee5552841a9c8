# SPDX-License-Identifier: Apache-2.0
"""What a network costs: the quantities that a budget can be set on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol, get_args

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from model_tools.compression.latency import Engine, LatencyTable
from model_tools.networks.shapes import run_on_shapes

Budget = Literal['params', 'macs', 'latency']
COSTS: tuple[str, ...] = get_args(Budget)


class Cost(Protocol):
    """A number that falls with every channel that a network loses."""

    name: str
    """As a budget names it."""

    def __call__(self, net: nn.Module) -> float: ...


class Parameters:
    """Trainable numbers."""

    name = 'params'

    def __call__(self, net: nn.Module) -> float:
        return sum(parameter.numel() for parameter in net.parameters())


class Macs:
    """Multiply-accumulates of convolutions and matrix products."""

    name = 'macs'

    def __init__(self, example: torch.Tensor) -> None:
        """Count for inputs of the shape of `example`."""
        self._shape = tuple(example.shape)

    def __call__(self, net: nn.Module) -> float:
        # Fused attention, as on a CPU by default, would not be counted.
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            run_on_shapes(net, self._shape)
        return counter.get_total_flops() // 2


def make_cost(
    budget: Budget, example: torch.Tensor, latencies: Path | None, engine: Engine = 'onnxruntime'
) -> Cost:
    """Return the cost that a budget is set on, for inputs of the shape of `example`.

    `latencies` is the file in which layers measured in `engine` are kept; None: in memory.
    """
    if budget == 'latency':
        height, width = example.shape[2:]
        return LatencyTable(latencies, input_wh=(width, height), engine=engine)
    return Macs(example) if budget == 'macs' else Parameters()
