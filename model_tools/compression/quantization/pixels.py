# SPDX-License-Identifier: Apache-2.0
"""Let a network in 8 bits read pixels of 0 to 1."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

PIXEL = np.float32(1 / 255)


def scaled_pixels(model: onnx.ModelProto) -> onnx.ModelProto:
    """
    Return a model with the same answers that reads pixels of 0 to 1 in place of 0 to 255.

    OpenVINO drops a rounding of whole numbers to whole numbers, which changes nothing, and then
    runs the first convolution in float32, at twice the time.

    Args:
        model: In 8 bits by quantise and dequantise operators; left as it is. The image is cast to
            float before it is quantised, and one convolution reads it.

    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    nodes = copy.graph.node
    makers = {output: node for node in nodes for output in node.output}
    readers = {name: node for node in nodes for name in node.input}
    constants = {tensor.name: tensor for tensor in copy.graph.initializer}
    casts = [node for node in nodes if node.op_type == 'Cast' and node.output[0] in readers]
    quantizers = [readers[cast.output[0]] for cast in casts]
    quantizer = next((node for node in quantizers if node.op_type == 'QuantizeLinear'), None)
    if quantizer is None:  # the first convolution is in float32
        return copy
    convolution = readers[readers[quantizer.output[0]].output[0]]
    weights = makers[convolution.input[1]]
    _multiply(constants[quantizer.input[1]], PIXEL)  # of the dequantising operator, too
    _multiply(constants[weights.input[1]], 1 / PIXEL)
    copy.graph.initializer.append(numpy_helper.from_array(PIXEL, 'pixel'))
    scaling = helper.make_node('Mul', [quantizer.input[0], 'pixel'], ['pixels'], name='pixels')
    quantizer.input[0] = 'pixels'
    nodes.insert(list(nodes).index(quantizer), scaling)
    return copy


def _multiply(tensor: onnx.TensorProto, factor: np.float32) -> None:
    values = numpy_helper.to_array(tensor) * factor
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))
