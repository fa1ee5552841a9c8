# SPDX-License-Identifier: Apache-2.0
"""An ONNX graph of one layer, as engines meet it within a network."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from model_tools.compression.layers import Layer
from model_tools.export.suppression import OPSET

SILU = [('Sigmoid', ['raw'], 'gate'), ('Mul', ['raw', 'gate'], 'y')]
"""Operators that engines know as one."""


def layer_graph(layer: Layer) -> onnx.ModelProto:
    """Return a model of one layer, which reads `x0`, `x1` and so on.

    What is no convolution gets its inputs from some: they decide the memory layout.
    """
    nodes, weights = [], {}
    attributes = dict(layer.attributes)
    if layer.is_convolution:
        shapes = layer.inputs[:1]
        weights['w'] = np.random.default_rng(0).normal(size=layer.inputs[1]).astype(np.float32)
        output = 'raw' if layer.activation else 'y'
        nodes.append(helper.make_node(layer.operator, ['x0', 'w'], [output], **attributes))
        after = SILU if layer.activation == 'Silu' else [(layer.activation, ['raw'], 'y')]
        nodes += [helper.make_node(op, inputs, [y]) for op, inputs, y in after if op]
    else:
        shapes = layer.inputs if layer.operator == 'Concat' else layer.inputs[:1]
        for i, (_, channels, *_) in enumerate(shapes):
            weights[f'w{i}'] = np.ones((channels, 1, 1, 1), np.float32)
            nodes.append(helper.make_node('Conv', [f'x{i}', f'w{i}'], [f'c{i}'], group=channels))
        made = [f'c{i}' for i in range(len(shapes))]
        if layer.operator == 'Resize':
            weights['scales'] = np.divide(layer.inputs[1], layer.inputs[0], dtype=np.float32)
            made += ['', 'scales']
        nodes.append(helper.make_node(layer.operator, made, ['y'], **attributes))
    graph = helper.make_graph(
        nodes,
        'layer',
        [
            helper.make_tensor_value_info(f'x{i}', TensorProto.FLOAT, shape)
            for i, shape in enumerate(shapes)
        ],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', OPSET)], ir_version=10)
