# SPDX-License-Identifier: Apache-2.0
"""Build the contract's graph: uint8 images in, boxes after NMS and two uint8 masks out."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path

import onnx
import torch
from onnx import compose, parser
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model_tools.networks.blocks import ConvBlock
from model_tools.networks.panoptic_net import PanopticNet

OPSET = 18
SCORE_FLOOR = 0.05
NMS_IOU = 0.6
MAX_BOXES = 300


class DeployedNet(nn.Module):
    """The network with its input and mask conversions, before NMS."""

    def __init__(self, net: PanopticNet) -> None:
        super().__init__()
        self.net = fold_batchnorm(net)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Map uint8 images (N, H, W, 3) to boxes, class scores and two uint8 masks (N, H, W)."""
        output = self.net(image.permute(0, 3, 1, 2).float())
        masks = [_to_byte(logits) for logits in (output.drivable, output.lane)]
        scores = output.detection.logits.sigmoid().transpose(1, 2)
        return output.detection.boxes, scores, *masks


def build_graph(net: PanopticNet, input_wh: tuple[int, int]) -> onnx.ModelProto:
    """Return the whole graph as one model without external data; any batch size runs."""
    deployed = DeployedNet(net.eval()).eval()
    example = torch.zeros(2, input_wh[1], input_wh[0], 3, dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'network.onnx'
        torch.onnx.export(
            deployed,
            (example,),
            str(path),
            input_names=['image'],
            output_names=['dense_boxes', 'dense_scores', 'drivable', 'lane'],
            dynamic_shapes=({0: torch.export.Dim('N')},),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        network = onnx.load(path)
    classes, cells = (d.dim_value for d in network.graph.output[1].type.tensor_type.shape.dim[1:])
    suppression = _suppression(classes, cells, network.ir_version)
    network.graph.name, network.producer_name = 'panoptic', 'panoptic_perception'
    merged = compose.merge_models(
        network,
        suppression,
        io_map=[('dense_boxes', 'dense_boxes'), ('dense_scores', 'dense_scores')],
        outputs=['boxes', 'scores', 'labels', 'batch_index', 'drivable', 'lane'],
    )
    del merged.graph.value_info[:], merged.metadata_props[:]
    for node in merged.graph.node:
        del node.metadata_props[:]  # the exporter's stack traces
        node.doc_string = ''
    onnx.checker.check_model(merged, full_check=True)
    return merged


def fold_batchnorm(net: PanopticNet) -> PanopticNet:
    """Return a copy whose convolutions contain their BatchNorms."""
    folded = copy.deepcopy(net).eval()
    for block in folded.modules():
        if isinstance(block, ConvBlock):
            block[0] = fuse_conv_bn_eval(block[0], block[1])
            block[1] = nn.Identity()
    return folded


def _to_byte(logits: torch.Tensor) -> torch.Tensor:
    """Enlarge stride 4 logits to the network's size; probability x 255, rounded."""
    full = F.interpolate(logits, scale_factor=4.0, mode='bilinear', align_corners=False)
    return (full.sigmoid() * 255.0 + 0.5).to(torch.uint8).squeeze(1)


def _suppression(classes: int, cells: int, ir_version: int) -> onnx.ModelProto:
    """Return class-aware NMS as a graph: each class keeps its share of MAX_BOXES.

    NonMaxSuppression takes two opposite corners in any axis order. The kept boxes are sorted by
    `score - 2 batch`: image by image, best first.
    """
    return parser.parse_model(f"""
        <ir_version: {ir_version}, opset_import: ["": {OPSET}]>
        suppression (float[N, {cells}, 4] dense_boxes, float[N, {classes}, {cells}] dense_scores)
            => (float[M, 4] boxes, float[M] scores, int64[M] labels, int64[M] batch_index)
        <int64 limit = {{{MAX_BOXES // classes}}}, float[1] iou = {{{NMS_IOU}}},
         float[1] floor = {{{SCORE_FLOOR}}}, float two = {{2.0}}, int64 zero = {{0}},
         int64 one = {{1}}, int64[2] batch_and_box = {{0, 2}}>
        {{
            kept = NonMaxSuppression (dense_boxes, dense_scores, limit, iou, floor)
            kept_scores = GatherND (dense_scores, kept)
            kept_batch = Gather <axis = 1> (kept, zero)
            batch_float = Cast <to = 1> (kept_batch)
            penalty = Mul (batch_float, two)
            rank = Sub (kept_scores, penalty)
            count = Shape (rank)
            ranked, order = TopK (rank, count)
            rows = Gather <axis = 0> (kept, order)
            scores = Gather <axis = 0> (kept_scores, order)
            batch_index = Gather <axis = 1> (rows, zero)
            labels = Gather <axis = 1> (rows, one)
            cells = Gather <axis = 1> (rows, batch_and_box)
            boxes = GatherND (dense_boxes, cells)
        }}
    """)
