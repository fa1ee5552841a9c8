# SPDX-License-Identifier: Apache-2.0
import numpy as np
import onnx
import pytest

from model_tools.evaluation.experts.onnx_network import count_parameters

WEIGHTS = {
    'a': np.zeros((2, 3), np.float32),
    'b': np.zeros(5, np.float16),
    'n': np.zeros(9, int),
    'q': np.zeros((4, 2), np.int8),
    'scale': np.ones(4, np.float32),
}

NODE = onnx.helper.make_node('DequantizeLinear', ['q', 'scale'], ['w'])


@pytest.mark.parametrize(
    ('names', 'other_than', 'expected'),
    [
        ((), (), 0),
        (('n',), (), 0),
        (('a', 'b', 'n'), (), 11),
        (('a', 'b', 'n'), ('b', 'z'), 6),
        (('a', 'q', 'scale'), (), 14),
    ],
)
def test_count_parameters(names, other_than, expected):
    weights = [onnx.numpy_helper.from_array(WEIGHTS[name], name) for name in names]
    model = onnx.helper.make_model(onnx.helper.make_graph([NODE], 'g', [], [], weights))
    assert count_parameters(model, other_than=other_than) == expected
