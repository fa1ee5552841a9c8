# SPDX-License-Identifier: Apache-2.0
"""Start a network from a trained one with other convolutions, layer by layer by least squares.

Every block of the new network is fitted to say what its counterpart in the donor says before the
activation, given what the new network's earlier blocks really deliver. So the errors of one layer
are seen, and partly made good, by the next; training removes the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn import functional as F

from model_tools.networks.blocks import ConvBlock, SeparableConv
from model_tools.networks.panoptic_net import PanopticNet

POSITIONS = 40_000
"""Most cells of a feature map that a layer is fitted on."""
RIDGE = 1e-2
"""Penalty on the weights, relative to the mean square of the inputs: large ones learn badly."""
DEEPEST = -1.0
"""Targets below are raised to it: after the activation they are all nearly zero."""
CHUNK = 8


class RefitError(ValueError):
    """The two networks do not have the same widths and depths."""


@torch.no_grad()
def refit(net: PanopticNet, donor: PanopticNet, images: torch.Tensor) -> None:
    """Give `net` weights with which it answers nearly as `donor` does.

    Args:
        net: Dense convolutions, any activation; changed in place, left in evaluation mode.
        donor: Same labels, widths and depths.
        images: (N, 3, H, W) float, 0..255; a hundred real ones are enough.

    Raises:
        RefitError: The networks cannot be paired.

    """
    pairs = pair_blocks(net, donor)
    targets = _record([source for _, source in pairs], donor.eval(), images)
    hooks = [block.register_forward_hook(_fitter(targets[source])) for block, source in pairs]
    net.eval()(images)
    for hook in hooks:
        hook.remove()


def pair_blocks(net: PanopticNet, donor: PanopticNet) -> list[tuple[nn.Module, nn.Module]]:
    """Return each block of `net` with the one of `donor` that it is to answer as.

    Raises:
        RefitError: Labels, widths or depths differ, or `net` has convolutions that are not dense.

    """
    return list(_pairs(net, donor))


def _pairs(net: nn.Module, donor: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Yield the blocks that must agree; a separable donor block counts by its second half."""
    if isinstance(net, ConvBlock | nn.Conv2d):
        source = donor[1] if isinstance(donor, SeparableConv) else donor
        if _conv(net).out_channels != _conv(source).out_channels or _conv(net).groups != 1:
            raise RefitError(
                'a network can begin with one of the same labels, widths and depths only, and its '
                f'convolutions must be dense: {_conv(net)} cannot follow {_conv(source)}'
            )
        yield net, source
        return
    children, counterparts = dict(net.named_children()), dict(donor.named_children())
    if children.keys() != counterparts.keys():
        raise RefitError(
            f'the networks differ in depth or parts: {list(children)} against {list(counterparts)}'
        )
    for name, child in children.items():
        yield from _pairs(child, counterparts[name])


def _record(
    sources: list[nn.Module], donor: PanopticNet, images: torch.Tensor
) -> dict[nn.Module, torch.Tensor]:
    """Return what each donor block says, before the activation, in a sample of its cells."""
    chunks: dict[nn.Module, list[torch.Tensor]] = {source: [] for source in sources}

    def keep(source: nn.Module, first: int) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, raw: torch.Tensor) -> None:
            cells = _cells(len(images), *raw.shape[2:])[first : first + len(raw)]
            chunks[source].append(_gather(raw, cells.to(raw.device)))

        return hook

    for first in range(0, len(images), CHUNK):
        hooks = [
            (source[1] if isinstance(source, ConvBlock) else source).register_forward_hook(
                keep(source, first)
            )
            for source in sources
        ]
        donor(images[first : first + CHUNK])
        for hook in hooks:
            hook.remove()
    return {source: torch.cat(parts) for source, parts in chunks.items()}


def _fitter(target: torch.Tensor) -> Callable[..., torch.Tensor]:
    """Return a hook that fits a block to `target` (N, P, outputs) on the inputs that it gets."""

    def fit(block: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor:
        conv = _conv(block)
        wanted = target.clamp(min=DEEPEST) if isinstance(block, ConvBlock) else target
        patches = _patches(
            inputs[0], conv, _cells(len(target), *output.shape[2:]).to(output.device)
        )
        weight, bias = _least_squares(patches.flatten(0, 1), wanted.flatten(0, 1))
        conv.weight.copy_(weight.T.reshape(conv.weight.shape))
        if not isinstance(block, ConvBlock):
            conv.bias.copy_(bias)
            return conv.forward(inputs[0])  # not `conv(...)`, which would call this hook again
        norm, activation = block[1], block[2]
        raw = conv(inputs[0])
        variance, mean = torch.var_mean(raw, (0, 2, 3), correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean + bias)
        return activation(norm(raw))

    return fit


def _least_squares(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weight (inputs, outputs) and bias of the best affine map from x (P, inputs) to y."""
    x_mean, y_mean = x.mean(0), y.mean(0)
    x, y = (x - x_mean).double(), (y - y_mean).double()
    gram = x.T @ x
    gram.diagonal().add_(RIDGE * gram.diagonal().mean() + 1e-6)
    weight = torch.linalg.solve(gram, x.T @ y).float()
    return weight, y_mean - x_mean @ weight


def _patches(x: torch.Tensor, conv: nn.Conv2d, cells: torch.Tensor) -> torch.Tensor:
    """Return (N, P, inputs * k * k): what the convolution sees in each of the output cells."""
    kernel, stride, padding = conv.kernel_size[0], conv.stride[0], int(conv.padding[0])
    columns = (x.shape[3] + 2 * padding - kernel) // stride + 1
    padded = F.pad(x, (padding,) * 4)
    corner = cells // columns * stride * padded.shape[3] + cells % columns * stride
    offsets = (torch.arange(kernel)[:, None] * padded.shape[3] + torch.arange(kernel)).flatten()
    seen = [_gather(padded, corner + offset) for offset in offsets]
    return torch.stack(seen, -1).flatten(2)


def _gather(x: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """Return (N, P, C): the values of x (N, C, H, W) in flat cells (N, P)."""
    index = cells[:, None].expand(-1, x.shape[1], -1)
    return x.flatten(2).gather(2, index).transpose(1, 2)


def _cells(images: int, height: int, width: int) -> torch.Tensor:
    """Return (images, P) flat cells of a map, the same on every call."""
    count = min(height * width, max(1, POSITIONS // images))
    generator = torch.Generator().manual_seed(height * width)
    return torch.stack(
        [torch.randperm(height * width, generator=generator)[:count] for _ in range(images)]
    )


def _conv(block: nn.Module) -> nn.Conv2d:
    return block[0] if isinstance(block, ConvBlock) else block
