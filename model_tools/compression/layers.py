# SPDX-License-Identifier: Apache-2.0
"""The layers of a network that cost time, by what their time depends on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from model_tools.networks.shapes import run_on_shapes

ACTIVATIONS = {'relu': 'Relu', 'silu': 'Silu', 'hardswish': 'HardSwish'}
RESIZES = {
    'upsample_nearest2d': (
        ('mode', 'nearest'),
        ('coordinate_transformation_mode', 'asymmetric'),
        ('nearest_mode', 'floor'),
    ),
    'upsample_bilinear2d': (
        ('mode', 'linear'),
        ('coordinate_transformation_mode', 'half_pixel'),
    ),
}
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One layer: two that are equal take the same time."""

    operator: str
    """Of ONNX: Conv, ConvTranspose, Concat or Resize."""
    inputs: tuple[Shape, ...]
    """Shapes of what it reads; then that of a convolution's weights, or of what Resize makes."""
    attributes: tuple[tuple[str, Any], ...] = ()
    """Of the ONNX operator."""
    activation: str = ''
    """What follows a convolution, into which engines fuse it."""

    @property
    def is_convolution(self) -> bool:
        """Return whether it has weights."""
        return self.operator in ('Conv', 'ConvTranspose')

    @property
    def key(self) -> str:
        """A line that tells all, for a table."""
        shapes = [' x '.join(map(str, shape)) for shape in self.inputs]
        settings = [f'{name} {value}' for name, value in self.attributes]
        return ', '.join([f'{self.operator}{self.activation}', *shapes, *settings])


def layers_of(net: nn.Module, input_wh: tuple[int, int]) -> list[Layer]:
    """Return the layers that a network runs on one image, in order.

    Left out are BatchNorms and sums, which engines fuse into convolutions, and what takes little
    time or none that pruning could save: pools, attention, decoding of boxes.
    """
    recorder = _Recorder()
    with recorder:
        run_on_shapes(net, (1, 3, input_wh[1], input_wh[0]))
    return recorder.layers


class _Recorder(TorchDispatchMode):
    """Notes the layers among the operators that torch dispatches."""

    def __init__(self) -> None:
        super().__init__()
        self.layers: list[Layer] = []
        self._before_activation = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        name = func.overloadpacket.__name__.rstrip('_')
        if name == 'convolution':
            self.layers.append(_convolution(*args))
        elif name == 'cat' and args[0][0].dim() == 4 and args[1:] == (1,):
            shapes = tuple(tuple(tensor.shape) for tensor in args[0])
            self.layers.append(Layer('Concat', shapes, (('axis', 1),)))
        elif name in ACTIVATIONS and self._before_activation:
            self.layers[-1] = replace(self.layers[-1], activation=ACTIVATIONS[name])
        output = func(*args, **(kwargs or {}))
        if name in RESIZES:
            shapes = (tuple(args[0].shape), tuple(output.shape))
            self.layers.append(Layer('Resize', shapes, RESIZES[name]))
        if 'prim' not in str(func) and name != 'empty':
            self._before_activation = name == 'convolution' or 'batch_norm' in name
        return output


def _convolution(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: object,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
) -> Layer:
    attributes: list[tuple[str, Any]] = [
        ('strides', tuple(stride)),
        ('pads', (*padding, *padding)),
        ('dilations', tuple(dilation)),
        ('group', groups),
    ]
    if transposed:
        attributes.append(('output_padding', tuple(output_padding)))
    operator = 'ConvTranspose' if transposed else 'Conv'
    return Layer(operator, (tuple(x.shape), tuple(weight.shape)), tuple(attributes))
