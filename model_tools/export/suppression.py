# SPDX-License-Identifier: Apache-2.0
"""Class-aware non-maximum suppression as an ONNX graph: the tail of every model file."""

from __future__ import annotations

import onnx
from onnx import parser

OPSET = 18
IR_VERSION = 10
SCORE_FLOOR = 0.05
NMS_IOU = 0.6
MAX_BOXES = 300


def suppression_graph(
    classes: int,
    cells: int,
    *,
    ir_version: int = IR_VERSION,
    score_floor: float = SCORE_FLOOR,
    nms_iou: float = NMS_IOU,
    max_boxes: int = MAX_BOXES,
) -> onnx.ModelProto:
    """
    Return the graph from dense boxes and scores to the contract's four box outputs.

    NonMaxSuppression takes two opposite corners in any axis order; each class keeps its share of
    `max_boxes`. The kept boxes are sorted by `score - 2 batch`: image by image, best first.
    """
    return parser.parse_model(f"""
        <ir_version: {ir_version}, opset_import: ["": {OPSET}]>
        suppression (float[N, {cells}, 4] dense_boxes, float[N, {classes}, {cells}] dense_scores)
            => (float[M, 4] boxes, float[M] scores, int64[M] labels, int64[M] batch_index)
        <int64 limit = {{{max_boxes // classes}}}, float[1] iou = {{{nms_iou}}},
         float[1] floor = {{{score_floor}}}, float two = {{2.0}}, int64 zero = {{0}},
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
