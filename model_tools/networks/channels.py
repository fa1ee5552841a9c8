# SPDX-License-Identifier: Apache-2.0
"""Convolutions with other widths than their network's settings give them: those of pruning."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from model_tools.networks.blocks import ConvBlock
from model_tools.networks.config import NetworkConfigError
from model_tools.networks.shapes import run_on_shapes

STRIDE = 32
"""Sides of images are multiples of it."""


def narrow(net: nn.Module, channels: Mapping[str, tuple[int, int]]) -> None:
    """Replace convolutions, and their BatchNorms, by new ones with fewer channels.

    Args:
        net: Changed in place.
        channels: Inputs and outputs by name; of a depthwise convolution both are its groups.

    Raises:
        NetworkConfigError: A name or number that the network has not, or numbers of neighbours
            that do not fit together.

    """
    modules = dict(net.named_modules())
    for name, (inputs, outputs) in channels.items():
        _narrow_one(modules, name, inputs, outputs)
    if channels:
        _check_fit(net)


def narrowed(net: nn.Module, whole: nn.Module) -> dict[str, tuple[int, int]]:
    """Return inputs and outputs of all convolutions of which `whole` has more channels."""
    before, now = _widths(whole), _widths(net)
    return {name: widths for name, widths in now.items() if widths != before[name]}


def _narrow_one(modules: Mapping[str, nn.Module], name: str, inputs: int, outputs: int) -> None:
    old = modules.get(name)
    if not isinstance(old, nn.Conv2d):
        raise NetworkConfigError(
            f'network.channels: {name!r} is no convolution of this network: is the table that of '
            'another one?'
        )
    parent, _, own = name.rpartition('.')
    block = modules[parent]
    is_last = not isinstance(block, ConvBlock)  # its outputs are what the head says
    is_depthwise = old.groups > 1
    fits = inputs <= old.in_channels and outputs <= old.out_channels
    if (
        not fits
        or (is_last and outputs < old.out_channels)
        or (is_depthwise and inputs != outputs)
    ):
        raise NetworkConfigError(
            f'network.channels: {name} has {inputs} inputs and {outputs} outputs, expected at '
            f'most {old.in_channels} and {"exactly" if is_last else "at most"} {old.out_channels}'
            + (', as many of the one as of the other' if is_depthwise else '')
        )
    new = nn.Conv2d(
        inputs,
        outputs,
        old.kernel_size,
        old.stride,
        old.padding,
        groups=inputs if is_depthwise else 1,
        bias=is_last,
    )
    if is_last:
        new.bias = old.bias  # it begins with a value of its own
    else:
        norm = block[1]
        block[1] = nn.BatchNorm2d(outputs, eps=norm.eps, momentum=norm.momentum)
    setattr(block, own, new)


def _check_fit(net: nn.Module) -> None:
    try:
        run_on_shapes(net, (1, 3, 2 * STRIDE, 2 * STRIDE))
    except RuntimeError as error:
        raise NetworkConfigError(
            f'network.channels do not fit together: {str(error).splitlines()[0]}'
        ) from error


def _widths(net: nn.Module) -> dict[str, tuple[int, int]]:
    return {
        name: (module.in_channels, module.out_channels)
        for name, module in net.named_modules()
        if isinstance(module, nn.Conv2d)
    }
