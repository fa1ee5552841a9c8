# SPDX-License-Identifier: Apache-2.0
"""Count the multiply-accumulate operations of a network."""

from __future__ import annotations

from math import prod

import onnx

Shape = tuple[int, ...]

# The operators that are counted, with the place of the weights among their inputs.
_WEIGHTS = {
    'Conv': 1,
    'ConvInteger': 1,
    'ConvTranspose': 1,
    'Gemm': 1,
    'MatMul': 1,
    'MatMulInteger': 1,
    'QLinearConv': 3,
    'QLinearMatMul': 3,
}


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
        if node.op_type in _WEIGHTS:
            names = (node.input[0], node.input[_WEIGHTS[node.op_type]], node.output[0])
            if not set(names) <= shapes.keys():
                return None
            total += _node_macs(node, *(shapes[name] for name in names))
    return total


def _node_macs(node: onnx.NodeProto, first: Shape, weights: Shape, result: Shape) -> int:
    # Weights are (out, in / groups, ...), and (in, out / groups, ...) where transposed.
    if node.op_type == 'ConvTranspose':
        return prod(first) * prod(weights[1:])
    if 'Conv' in node.op_type:
        return prod(result) * prod(weights[1:])
    turned = any(item.name == 'transA' and item.i for item in node.attribute)
    return prod(result) * first[0 if turned else -1]


def _known_shapes(graph: onnx.GraphProto) -> dict[str, Shape]:
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        sides = tuple(side.dim_value for side in value.type.tensor_type.shape.dim)
        if all(sides):
            shapes[value.name] = sides
    return shapes
