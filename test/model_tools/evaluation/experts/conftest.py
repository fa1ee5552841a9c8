# SPDX-License-Identifier: Apache-2.0
"""Files with the inputs and outputs of the public networks, and contents known to the test."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


@pytest.fixture
def write_network():
    return write_constants


def write_constants(path, input_shape, outputs, *, weight_is_input=False):
    """Write a network that answers every image with the arrays `outputs`, in this order."""
    weights = [numpy_helper.from_array(value, name) for name, value in outputs.items()]
    nodes = [helper.make_node('Identity', [name], [f'{name}_out']) for name in outputs]
    inputs = [_tensor('images', input_shape)]
    if weight_is_input:
        inputs += [_tensor(name, value.shape) for name, value in outputs.items()]
    graph = helper.make_graph(
        nodes,
        'constants',
        inputs,
        [_tensor(f'{name}_out', value.shape) for name, value in outputs.items()],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


@pytest.fixture
def write_road_network():
    return write_colours


def write_colours(path, height, width):
    """Write a road segmentation for which blue is road and red is a marking, by their strength."""
    model = onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["": 13]>
        colours (float[1, 3, {height}, {width}] image) => (float[1, 4, {height}, {width}] prob)
        <int64[3] parts = {{1, 1, 1}}, float full = {{255.0}}>
        {{
            share = Div (image, full)
            blue, green, red = Split <axis = 1> (share, parts)
            none = Sub (green, green)
            prob = Concat <axis = 1> (none, blue, none, red)
        }}
    """)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def _tensor(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


@pytest.fixture
def yolox_rows():
    """Answer of a YOLOX of 64x32 input: one car in row 1, column 2 of stride 16."""
    rows = np.zeros((1, 42, 85), np.float32)
    rows[0, 32 + 1 * 4 + 2, :5] = 0.5, 0.25, np.log(2), np.log(1), 0.9
    rows[0, 38, 5 + 2] = 0.8
    return rows
