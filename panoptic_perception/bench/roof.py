# SPDX-License-Identifier: Apache-2.0
"""
A network that does nothing but convolve in the shape that engines like best.

Its speed is the roof: what one core reaches with an engine and a precision. It follows the model
file contract, so it runs by the same code, options and precision switches as a real model.
"""

from __future__ import annotations

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANNELS = 128
# So many that what an engine needs for any network at all is lost among them.
LAYERS = 8
HEIGHT, WIDTH = 96, 160
# The first layer sees the three colours, the others all channels.
GMAC = 9 * (3 + LAYERS * CHANNELS) * CHANNELS * HEIGHT * WIDTH / 1e9
# Activations lie in 0 to 255 steps; pixels do so exactly.
_STEP = np.float32(1 / 64)


def build_roof_model(*, int8: bool) -> onnx.ModelProto:
    """Build the network for one image, in float32 or with uint8 activations and int8 weights."""
    graph = _Graph(int8=int8)
    graph.node('Cast', ['image'], 'pixels', to=TensorProto.FLOAT)
    graph.node('Mul', ['pixels', graph.constant('step', _STEP)], 'scaled')
    graph.node('Transpose', ['scaled'], 'planes', perm=[0, 3, 1, 2])
    features = graph.quantized('planes')
    for layer in range(LAYERS + 1):
        features = graph.convolution(features, layer, channels_in=CHANNELS if layer else 3)
    graph.node('Gather', [features, graph.constant('first', np.int64(0))], 'plane', axis=1)
    for mask in ('drivable', 'lane'):
        graph.node('Cast', ['plane'], mask, to=TensorProto.UINT8)
    for name, value in (
        ('boxes', np.array([[0, 0, 8, 8]], np.float32)),
        ('scores', np.ones(1, np.float32)),
        ('labels', np.zeros(1, np.int64)),
        ('batch_index', np.zeros(1, np.int64)),
    ):
        graph.node('Identity', [graph.constant(f'{name}_value', value)], name)
    return graph.model()


class _Graph:
    """Nodes and constants as they are added; quantised where the graph is int8."""

    def __init__(self, *, int8: bool) -> None:
        self._int8 = int8
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._rng = np.random.default_rng(0)

    def node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: np.ndarray | np.generic) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def convolution(self, features: str, layer: int, *, channels_in: int) -> str:
        """Add a 3x3 convolution and ReLU that keep the size of the values about the same."""
        scale = np.float32(np.sqrt(2 / (9 * channels_in)))
        weights = self._rng.standard_normal((CHANNELS, channels_in, 3, 3), np.float32) * scale
        name = self._weights(f'weights_{layer}', weights)
        self.node('Conv', [features, name], f'conv_{layer}', pads=[1, 1, 1, 1])
        return self.quantized(self.node('Relu', [f'conv_{layer}'], f'relu_{layer}'))

    def quantized(self, name: str) -> str:
        """Send values of 0 to 255 steps through uint8 and back."""
        if not self._int8:
            return name
        scale = [
            self.constant(f'{name}_scale', _STEP),
            self.constant(f'{name}_zero', np.uint8(0)),
        ]
        self.node('QuantizeLinear', [name, *scale], f'{name}_uint8')
        return self.node('DequantizeLinear', [f'{name}_uint8', *scale], f'{name}_back')

    def _weights(self, name: str, values: np.ndarray) -> str:
        if not self._int8:
            return self.constant(name, values)
        scale = np.float32(np.abs(values).max() / 127)
        parts = [
            self.constant(f'{name}_int8', np.round(values / scale).astype(np.int8)),
            self.constant(f'{name}_scale', scale),
            self.constant(f'{name}_zero', np.int8(0)),
        ]
        return self.node('DequantizeLinear', parts, name)

    def model(self) -> onnx.ModelProto:
        inputs = {'image': (TensorProto.UINT8, [1, HEIGHT, WIDTH, 3])}
        outputs = {
            'boxes': (TensorProto.FLOAT, [1, 4]),
            'scores': (TensorProto.FLOAT, [1]),
            'labels': (TensorProto.INT64, [1]),
            'batch_index': (TensorProto.INT64, [1]),
            'drivable': (TensorProto.UINT8, [1, HEIGHT, WIDTH]),
            'lane': (TensorProto.UINT8, [1, HEIGHT, WIDTH]),
        }
        values = [
            [helper.make_tensor_value_info(name, *signature) for name, signature in group.items()]
            for group in (inputs, outputs)
        ]
        graph = helper.make_graph(self._nodes, 'roof', *values, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=8)
        size = {'height': HEIGHT, 'width': WIDTH, 'colour': 'bgr', 'pad_value': 114}
        entries = {
            'schema': 1,
            'labels': ['none'],
            'input': size,
            'thresholds': {'score': 0.5, 'drivable': 0.5, 'lane': 0.5},
            'precision': 'int8' if self._int8 else 'fp32',
            'provenance': {'origin': 'panoptic bench'},
            'metrics': {},
        }
        helper.set_model_props(
            model, {f'panoptic.{key}': json.dumps(value) for key, value in entries.items()}
        )
        return model
