# SPDX-License-Identifier: Apache-2.0
"""Measure how long single layers take in ONNX Runtime.

Each runs as a graph of its own under the runtime's profiler. That leaves out the copies between
memory layouts, which a lone layer needs at its inputs and outputs, unlike one within a network.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from model_tools.compression.layers import Layer
from model_tools.export.suppression import OPSET
from panoptic_perception.engines.onnxruntime_engine import session_options

REPEATS = 15
WARM_UP = 3
COPIES = ['ReorderInput', 'ReorderOutput']
SILU = [('Sigmoid', ['raw'], 'gate'), ('Mul', ['raw', 'gate'], 'y')]
"""Operators that the runtime knows as one."""


def measure(layers: Mapping[str, Layer], *, threads: int) -> dict[str, float]:
    """Return the least milliseconds of layers, by the same keys: what nothing has lengthened.

    The layers take turns, so that a busy moment of the machine befalls all alike.
    """
    with tempfile.TemporaryDirectory() as folder:
        sessions = {
            key: _session(layer, threads, f'{folder}/{i}')
            for i, (key, layer) in enumerate(layers.items())
        }
        feeds = {key: _feed(session) for key, session in sessions.items()}
        for _ in range(WARM_UP + REPEATS):
            for key, session in sessions.items():
                session.run(None, feeds[key])
        return {
            key: _profiled_ms(Path(session.end_profiling()), layers[key])
            for key, session in sessions.items()
        }


def _session(layer: Layer, threads: int, prefix: str) -> onnxruntime.InferenceSession:
    options = session_options(threads)
    options.enable_profiling = True
    options.profile_file_prefix = prefix
    graph = _graph(layer).SerializeToString()
    return onnxruntime.InferenceSession(graph, options, providers=['CPUExecutionProvider'])


def _feed(session: onnxruntime.InferenceSession) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {x.name: rng.random(x.shape, np.float32) for x in session.get_inputs()}


def _profiled_ms(profile: Path, layer: Layer) -> float:
    """Return the least over the runs of the time of the layer's own operators."""
    others = COPIES if layer.is_convolution else [*COPIES, 'Conv']
    nodes = [event for event in json.loads(profile.read_text()) if event['cat'] == 'Node']
    own = [event['dur'] for event in nodes if event['args'].get('op_name') not in others]
    runs = np.reshape(own, (WARM_UP + REPEATS, -1)).sum(1)  # microseconds
    return float(runs[WARM_UP:].min()) / 1e3


def _graph(layer: Layer) -> onnx.ModelProto:
    """Return a model of one layer.

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
