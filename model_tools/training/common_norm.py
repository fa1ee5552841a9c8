# SPDX-License-Identifier: Apache-2.0
"""BatchNorm whose batch is that of all processes of a run, on any device."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from model_tools.training.reduction import sum_over_processes


class CommonBatchNorm(nn.BatchNorm2d):
    """In training, a BatchNorm of the images of all processes; otherwise an ordinary one.

    `torch.nn.SyncBatchNorm` is for GPUs alone.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise (N, C, H, W), of which every process has a part of the N."""
        if not self.training:
            return super().forward(x)
        count = x.new_full((1, x.shape[1]), x.numel() / x.shape[1], dtype=torch.float64)
        count, total, squares = sum_over_processes(torch.cat((count, _Moments.apply(x))))
        mean = total / count
        variance = (squares / count - mean.square()).clamp(min=0)
        self._remember(mean.detach(), (variance * count / (count - 1)).detach())
        mean, variance = mean.float(), variance.float()
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return (x * _by_channel(scale) + _by_channel(shift)).to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        """Move the running statistics, of which the variance is the unbiased one."""
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean.float(), self.momentum)
        self.running_var.lerp_(variance.float(), self.momentum)


class _Moments(torch.autograd.Function):
    """Sums of x (N, C, H, W) and of its squares by channel, as (2, C) in float64.

    In float32 the squares of the means would drown the variances. It keeps x for its gradient as
    it is: autograd would keep a wider copy beside one of 16 bits.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        over = {'dim': (0, 2, 3), 'dtype': torch.float64}
        return torch.stack((x.sum(**over), x.float().square().sum(**over)))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        constant, slope = gradient.float()
        return (2 * x * _by_channel(slope) + _by_channel(constant)).to(x.dtype)


def share_batchnorms(net: nn.Module) -> None:
    """Let the BatchNorms of a network be common ones, in place; names and weights stay."""
    for module in net.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = CommonBatchNorm


def _by_channel(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None]
