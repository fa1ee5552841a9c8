# SPDX-License-Identifier: Apache-2.0
"""Add tensors over all processes of a run, so that gradients flow back to each."""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed


class _Sum(torch.autograd.Function):
    """The sum over processes; so is its gradient, as every process has a loss that depends on it.

    `torch.distributed.nn.functional.all_reduce` is deprecated, and what replaces it is private.
    """

    @staticmethod
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        return _summed(x)

    @staticmethod
    def backward(_: Any, gradient: torch.Tensor) -> torch.Tensor:
        return _summed(gradient)


def sum_over_processes(x: torch.Tensor) -> torch.Tensor:
    """
    Return the sum of `x` over all processes; `x` itself where there is one.

    The gradient that arrives in each of W processes is W times that of the common loss;
    DistributedDataParallel divides by W when it averages.
    """
    alone = not (distributed.is_available() and distributed.is_initialized())
    return x if alone else _Sum.apply(x)


def _summed(x: torch.Tensor) -> torch.Tensor:
    total = x.clone()
    distributed.all_reduce(total)
    return total
