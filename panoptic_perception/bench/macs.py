# SPDX-License-Identifier: Apache-2.0
"""Count the multiply-accumulate operations of a network."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import onnx

Shapes = Mapping[str, tuple[int, ...]]


def count_macs(model: onnx.ModelProto) -> int | None:
    """
    Return the multiply-accumulates of all convolutions and matrix products for one image.

    None means that the shape of one of them is not fixed by the graph.
    """
    single = onnx.ModelProto()
    single.CopyFrom(model)
    for value in single.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    # What the exporter noted still has the free number of images in it.
    del single.graph.value_info[:]
    shapes = _known_shapes(onnx.shape_inference.infer_shapes(single, data_prop=True).graph)
    total = 0
    for node in single.graph.node:
        if node.op_type in ('Conv', 'ConvTranspose', 'Gemm', 'MatMul'):
            if not {*node.input[:2], node.output[0]} <= shapes.keys():
                return None
            total += _node_macs(node, shapes)
    return total


def _node_macs(node: onnx.NodeProto, shapes: Shapes) -> int:
    first, second = (shapes[name] for name in node.input[:2])
    result = shapes[node.output[0]]
    # Weights are (out, in / groups, ...), and (in, out / groups, ...) where transposed.
    if node.op_type == 'Conv':
        return prod(result) * prod(second[1:])
    if node.op_type == 'ConvTranspose':
        return prod(first) * prod(second[1:])
    turned = any(item.name == 'transA' and item.i for item in node.attribute)
    return prod(result) * first[0 if turned else -1]


def _known_shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        sides = tuple(side.dim_value for side in value.type.tensor_type.shape.dim)
        if all(sides):
            shapes[value.name] = sides
    return shapes
