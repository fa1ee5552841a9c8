# SPDX-License-Identifier: Apache-2.0
"""1x1 convolutions that bring a student's features to the widths of its teacher's.

They exist in training only. A pruned student has copies of some of its teacher's channels: there
an adapter begins as the matrix that puts each back into its place, and the rows of the channels
that were removed are fitted by least squares. An adapter with a row of zeros would say a constant,
to which no standardised loss has a useful gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model_tools.compression.taps import TAPS, Taps
from model_tools.networks.panoptic_net import NetworkOutput, PanopticNet

CHUNK = 8
"""Images at a time."""
RIDGE = 1e-3
"""Penalty on fitted weights, relative to the mean variance of the student's channels."""
TINY = 1e-9
"""The same where none of them varies."""


class AdapterError(ValueError):
    """A keep-map is not that of this student and this teacher."""


class Answer(NamedTuple):
    """What a network says of a batch, and its features by tap."""

    output: NetworkOutput
    features: dict[str, Tensor]


class Adapted(nn.Module):
    """A student that also returns its adapted features; without adapters, none.

    One module, so that DistributedDataParallel adds up the gradients of both.
    """

    def __init__(self, net: PanopticNet, adapters: nn.ModuleDict) -> None:
        super().__init__()
        self.net, self.adapters = net, adapters

    def forward(self, image: Tensor) -> Answer:
        with Taps(self.net, {tap: TAPS[tap] for tap in self.adapters}) as features:
            output = self.net(image)
        adapted = {tap: adapter(features[tap]) for tap, adapter in self.adapters.items()}
        return Answer(output, adapted)


def make_adapters(student: PanopticNet, teacher: PanopticNet) -> nn.ModuleDict:
    """Return a random adapter for each of `TAPS`.

    They have no bias: the loss does not look at means.
    """
    return nn.ModuleDict(
        {tap: nn.Conv2d(_width(student, tap), _width(teacher, tap), 1, bias=False) for tap in TAPS}
    )


@torch.no_grad()
def select_channels(adapters: nn.ModuleDict, kept: Mapping[str, Tensor]) -> None:
    """Let each channel of the student say what it said in the teacher; other rows become zeros.

    Args:
        adapters: Changed in place.
        kept: Channels of the teacher that live on, by convolution, in the order of the student's;
            all do if it is not named.

    Raises:
        AdapterError: These are not as many as the student has, or not channels of the teacher.

    """
    for tap, adapter in adapters.items():
        outputs, inputs = adapter.weight.shape[:2]
        index = kept.get(_convolution(tap), torch.arange(outputs))
        if len(index) != inputs or not ((index >= 0) & (index < outputs)).all():
            raise AdapterError(
                f'{_convolution(tap)}: the student has {inputs} channels, its keep-map '
                f'{len(index)} of the teacher, which has {outputs}: expected a student that was '
                'pruned from this teacher; else give adapters: random'
            )
        adapter.weight.zero_()
        adapter.weight[index, torch.arange(inputs)] = 1.0


@torch.no_grad()
def fit_removed(
    adapters: nn.ModuleDict, student: PanopticNet, teacher: PanopticNet, images: Tensor
) -> None:
    """Fit rows of zeros to the teacher's channels by least squares.

    Args:
        adapters: Changed in place.
        student: Left in evaluation mode.
        teacher: The same.
        images: (N, 3, H, W) float, 0..255; a hundred real ones are enough.

    """
    empty = {tap: ~adapter.weight.flatten(1).any(1) for tap, adapter in adapters.items()}
    moments = {tap: _Moments(adapter.in_channels) for tap, adapter in adapters.items()}
    for chunk in images.split(CHUNK):
        with Taps(student) as own, Taps(teacher) as wanted:
            student.eval()(chunk)
            teacher.eval()(chunk)
        for tap, rows in empty.items():
            moments[tap].add(own[tap], wanted[tap][:, rows])
    for tap, adapter in adapters.items():
        adapter.weight[empty[tap]] = moments[tap].weight().to(adapter.weight)[..., None, None]


class _Moments:
    """Sums over cells, of which a least squares fit is made."""

    def __init__(self, inputs: int) -> None:
        self._inputs = inputs
        self._cells = 0
        self._sums: Tensor | float = 0.0
        self._products: Tensor | float = 0.0

    def add(self, x: Tensor, y: Tensor) -> None:
        """Add features (N, inputs, H, W) and targets (N, outputs, H, W)."""
        cells = torch.cat((x, y), 1).transpose(0, 1).flatten(1).double()
        self._cells += cells.shape[1]
        self._sums = self._sums + cells.sum(1)
        self._products = self._products + cells[: self._inputs] @ cells.T

    def weight(self) -> Tensor:
        """Return (outputs, inputs) of the best affine map."""
        means = torch.as_tensor(self._sums) / self._cells
        covariance = self._products / self._cells - torch.outer(means[: self._inputs], means)
        gram, targets = covariance.tensor_split((self._inputs,), 1)
        gram.diagonal().add_(RIDGE * gram.diagonal().mean() + TINY)
        return torch.linalg.solve(gram, targets).T


def _convolution(tap: str) -> str:
    """Return the name of the convolution that makes the channels of a tap."""
    return f'{TAPS[tap]}.0'


def _width(net: PanopticNet, tap: str) -> int:
    return int(net.get_submodule(_convolution(tap)).out_channels)
