# SPDX-License-Identifier: Apache-2.0
"""What moves the weights: parameter groups, learning rate schedule and averaging."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from model_tools.training.config import TrainingConfig

LAST_RATE = 0.01


def make_optimizer(
    net: nn.Module, extra: nn.Module, config: TrainingConfig, warm_started: Iterable[str]
) -> torch.optim.Optimizer:
    """Return AdamW that decays matrices only and lets warm-started modules move more slowly.

    `extra` holds parameters beside the network: full rate, no decay.
    """
    prefixes = tuple(f'{name}.' for name in warm_started)
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        key = name.startswith(prefixes), parameter.ndim > 1
        groups.setdefault(key, []).append(parameter)
    for parameter in extra.parameters():
        groups.setdefault((False, False), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                'params': parameters,
                'base_lr': config.learning_rate * (config.warm_start_rate if warm else 1.0),
                'weight_decay': config.weight_decay if decayed else 0.0,
            }
            for (warm, decayed), parameters in sorted(groups.items(), key=lambda g: g[0])
        ],
        lr=config.learning_rate,
    )


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Go back to a state; KeyError or ValueError if it is not one of these parameters."""
    own = [set(group) for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    if any(keys - set(g) for keys, g in zip(own, optimizer.param_groups, strict=True)):
        raise ValueError('its optimizer lacks settings')
    for parameter, found in optimizer.state.items():
        shapes = {found[name].shape for name in ('exp_avg', 'exp_avg_sq')}
        if shapes != {parameter.shape} or found['step'].numel() != 1:
            raise ValueError('its optimizer is that of other parameters')


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set the learning rate of each group to a share of its base rate."""
    for group in optimizer.param_groups:
        group['lr'] = group['base_lr'] * factor


def rate_factor(step: int, *, warmup_steps: int, total_steps: int) -> float:
    """Return the share of the base rate: linear warm-up, then half a cosine to a hundredth."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = min(1.0, step / total_steps)
    return LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * progress)) / 2


class AveragedNet:
    """An exponential moving average of a network: what is scored and shipped."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        """Move towards the weights after `step` steps, fast at first: the start must fade."""
        decay = min(self._decay, (1 + step) / (10 + step))
        own, current = self.net.state_dict(), net.state_dict()
        moving = [name for name, tensor in own.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([own[n] for n in moving], [current[n] for n in moving], 1 - decay)
        for name in own.keys() - set(moving):
            own[name].copy_(current[name])
