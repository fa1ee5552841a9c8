# SPDX-License-Identifier: Apache-2.0
"""Build the contract's graph: uint8 images in, boxes after NMS and two uint8 masks out."""

from __future__ import annotations

import copy
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any, TypeVar

import onnx
import torch
from onnx import compose
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model_tools.export.suppression import OPSET, suppression_graph
from model_tools.networks.blocks import ConvBlock
from model_tools.networks.panoptic_net import PanopticNet

Module = TypeVar('Module', bound=nn.Module)

MASK_STRIDE = 4

ENLARGING = 'enlarge_columns'
"""Constant of the graph that is no weight: the matrix that makes masks wide."""


class DeployedNet(nn.Module):
    """The network with its input and mask conversions, before NMS, as engines like it best."""

    enlarge_columns: torch.Tensor
    row_above: torch.Tensor
    row_below: torch.Tensor

    def __init__(self, net: PanopticNet, input_wh: tuple[int, int]) -> None:
        super().__init__()
        width, height = input_wh
        self.net = fold_batchnorm(net)
        self.net.backbone.stem[0] = over_pairs(self.net.backbone.stem[0])
        rows = torch.arange(height // MASK_STRIDE)
        self.register_buffer(ENLARGING, _enlarging(width // MASK_STRIDE))
        self.register_buffer('row_above', (rows - 1).clamp(min=0))
        self.register_buffer('row_below', (rows + 1).clamp(max=len(rows) - 1))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Map uint8 images (N, H, W, 3) to boxes, class scores and two uint8 masks (N, H, W)."""
        batch, height, width, channels = image.shape
        pairs = image.reshape(batch, height, width // 2, 2 * channels)  # costs nothing
        output = self.net(pairs.permute(0, 3, 1, 2).float())
        masks = (self._mask(logits.squeeze(1)) for logits in (output.drivable, output.lane))
        scores = output.detection.logits.sigmoid().transpose(1, 2)
        return output.detection.boxes, scores, *masks

    def _mask(self, logits: torch.Tensor) -> torch.Tensor:
        """Interpolate logits (N, H / 4, W / 4) linearly; return levels (N, H, W).

        Not as an image of one channel, which engines keep in blocks of many: columns come from a
        product with a constant on the right, which runs in the precision of the network, rows
        from sums of neighbours.
        """
        rows = logits @ self.enlarge_columns
        to_above = rows.index_select(1, self.row_above) - rows
        to_below = rows.index_select(1, self.row_below) - rows
        # Centres of the four rows that come of one, in its heights.
        between = [(row + 0.5) / MASK_STRIDE - 0.5 for row in range(MASK_STRIDE)]
        tall = [rows - at * to_above if at < 0 else rows + at * to_below for at in between]
        return torch.stack([_levels(row) for row in tall], 2).flatten(1, 2)


def build_graph(net: PanopticNet, input_wh: tuple[int, int]) -> onnx.ModelProto:
    """Return the whole graph as one model without external data; any batch size runs."""
    deployed = DeployedNet(net.eval(), input_wh).eval()
    example = torch.zeros(2, input_wh[1], input_wh[0], 3, dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'network.onnx'
        write_onnx(
            deployed,
            (example,),
            path,
            input_names=['image'],
            output_names=['dense_boxes', 'dense_scores', 'drivable', 'lane'],
            dynamic_shapes=({0: torch.export.Dim('N')},),
        )
        network = onnx.load(path)
    classes, cells = (d.dim_value for d in network.graph.output[1].type.tensor_type.shape.dim[1:])
    suppression = suppression_graph(classes, cells, ir_version=network.ir_version)
    network.graph.name, network.producer_name = 'panoptic', 'panoptic_perception'
    merged = compose.merge_models(
        network,
        suppression,
        io_map=[('dense_boxes', 'dense_boxes'), ('dense_scores', 'dense_scores')],
        outputs=['boxes', 'scores', 'labels', 'batch_index', 'drivable', 'lane'],
    )
    del merged.graph.value_info[:], merged.metadata_props[:]
    del merged.opset_import[1:]  # one for each of the two merged graphs, and they are equal
    for node in merged.graph.node:
        del node.metadata_props[:]  # the exporter's stack traces
        node.doc_string = ''
    onnx.checker.check_model(merged, full_check=True)
    return merged


def write_onnx(module: nn.Module, arguments: tuple[Any, ...], path: Path, **options: Any) -> None:
    """Write what a module does to its arguments as one ONNX file."""
    # The exporter warns of operators of other libraries, and of its own use of Python.
    logging.getLogger('torch.onnx._internal.exporter._registration').setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', FutureWarning)
        torch.onnx.export(
            module,
            arguments,
            str(path),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
            **options,
        )


def fold_batchnorm(net: Module) -> Module:
    """Return a copy whose convolutions contain their BatchNorms; each weight is rounded once."""
    folded = copy.deepcopy(net).double().eval()
    for block in folded.modules():
        if isinstance(block, ConvBlock):
            block[0] = fuse_conv_bn_eval(block[0], block[1])
            block[1] = nn.Identity()
    return folded.float()


def over_pairs(conv: nn.Conv2d) -> nn.Conv2d:
    """
    Return the convolution that does to pairs of pixels what the stem's does to pixels.

    A pair is two neighbours in a row, read as one pixel of twice the channels. Engines multiply
    channels in blocks, of which three fill little.
    """
    outputs, channels, height, width = conv.weight.shape
    top, left = conv.padding
    paired = nn.Conv2d(
        2 * channels, outputs, (height, width // 2), (2, 1), (int(top), int(left) // 2)
    )
    each = conv.weight.data.reshape(outputs, channels, height, width // 2, 2)
    paired.weight.data = each.permute(0, 4, 1, 2, 3).reshape(paired.weight.shape)
    paired.bias = conv.bias
    return paired


def to_levels(logits: torch.Tensor) -> torch.Tensor:
    """Enlarge stride 4 logits (N, C, H / 4, W / 4) to bytes (N, C, H, W): probability x 255."""
    return _levels(
        F.interpolate(logits, scale_factor=MASK_STRIDE, mode='bilinear', align_corners=False)
    )


def _levels(logits: torch.Tensor) -> torch.Tensor:
    return (logits.sigmoid() * 255.0 + 0.5).to(torch.uint8)


def _enlarging(size: int) -> torch.Tensor:
    """Return the matrix (size, 4 size) that interpolates linearly between centres of cells."""
    each = torch.eye(size)[None]
    return F.interpolate(each, scale_factor=MASK_STRIDE, mode='linear', align_corners=False)[0]
