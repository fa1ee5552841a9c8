# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from panoptic_perception.bench.macs import count_macs
from panoptic_perception.bench.roof import build_roof_model
from panoptic_perception.engines import find_model


def one_node(kind: str, shape: list[int | str], weights: tuple[int, ...], **attributes):
    """Return a model of one node with constant weights, in integers where it takes them."""
    inputs = ['x', 's', 'z', 'w', 's', 'z', 's', 'z'] if kind.startswith('QLinear') else ['x', 'w']
    integer = kind.startswith('QLinear') or kind.endswith('Integer')
    element = np.uint8 if integer else np.float32
    values = helper.make_tensor_value_info(
        'x', helper.np_dtype_to_tensor_dtype(np.dtype(element)), shape
    )
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, ['y'], **attributes)],
        'one',
        [values],
        [helper.make_empty_tensor_value_info('y')],
        [
            numpy_helper.from_array(np.zeros(weights, element), 'w'),
            numpy_helper.from_array(np.float32(1), 's'),
            numpy_helper.from_array(np.uint8(0), 'z'),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)])


@pytest.mark.parametrize(
    ('model', 'expected'),
    [
        (one_node('Add', ['N', 4], (4,)), 0),
        # 8 channels out, 3 in, 3x3, on 10x20 pixels
        (one_node('Conv', ['N', 3, 10, 20], (8, 3, 3, 3), pads=[1] * 4), 8 * 3 * 9 * 200),
        (one_node('Conv', [5, 3, 10, 20], (8, 3, 1, 1), strides=[2, 2]), 8 * 3 * 5 * 10),
        # each of 8 channels sees only itself
        (one_node('Conv', ['N', 8, 10, 20], (8, 1, 3, 3), group=8, pads=[1] * 4), 8 * 9 * 200),
        # each of 10x20 pixels of 6 channels spreads to 2x2 pixels of 4 channels
        (one_node('ConvTranspose', ['N', 6, 10, 20], (6, 4, 2, 2)), 200 * 6 * 4 * 4),
        (one_node('Gemm', ['N', 5], (5, 7)), 5 * 7),
        (one_node('Gemm', ['N', 5], (1, 7), transA=1), 5 * 7),
        (one_node('MatMul', ['N', 3, 5], (5, 7)), 3 * 5 * 7),
        (one_node('QLinearConv', ['N', 3, 10, 20], (8, 3, 3, 3), pads=[1] * 4), 8 * 3 * 9 * 200),
        (one_node('ConvInteger', ['N', 3, 10, 20], (8, 3, 3, 3), pads=[1] * 4), 8 * 3 * 9 * 200),
        (one_node('QLinearMatMul', ['N', 3, 5], (5, 7)), 3 * 5 * 7),
        (one_node('MatMulInteger', ['N', 3, 5], (5, 7)), 3 * 5 * 7),
        (one_node('Conv', ['N', 3, 'H', 'W'], (8, 3, 1, 1)), None),
    ],
)
def test_count_macs__one_image_by_hand(model, expected):
    before = model.SerializeToString()
    assert count_macs(model) == expected
    assert model.SerializeToString() == before


def test_count_macs__quantized_weights_count_as_the_others():
    assert count_macs(build_roof_model(int8=True)) == count_macs(build_roof_model(int8=False))


def test_count_macs__the_shipped_model():
    assert 0.1e9 < count_macs(onnx.load(find_model())) < 10e9
