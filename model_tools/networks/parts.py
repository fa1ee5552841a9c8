# SPDX-License-Identifier: Apache-2.0
"""What each part of a network costs: parameters and multiply-accumulates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from model_tools.networks.panoptic_net import PanopticNet


@dataclass(frozen=True)
class Part:
    """A module of the network's top level, with the arguments that it got."""

    name: str
    module: torch.nn.Module
    arguments: tuple[Any, ...]
    parameters: int
    macs: int
    """Multiply-accumulates of convolutions and matrix products; all else is not counted."""


@torch.no_grad()
def parts_of(net: PanopticNet, image: torch.Tensor) -> list[Part]:
    """Run a network on an image (1, 3, H, W), 0..255; return its parts in order of running."""
    arguments: dict[str, tuple[Any, ...]] = {}

    def hook(name: str) -> Any:
        return lambda _module, given: arguments.update({name: given})

    handles = [m.register_forward_pre_hook(hook(n)) for n, m in net.named_children()]
    # Fused attention, as on a CPU by default, would not be counted.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        net.eval()(image)
    for handle in handles:
        handle.remove()
    counts = counter.get_flop_counts()
    return [
        Part(
            name,
            module,
            arguments[name],
            parameters=sum(p.numel() for p in module.parameters()),
            macs=sum(counts[f'{type(net).__name__}.{name}'].values()) // 2,
        )
        for name, module in net.named_children()
    ]
