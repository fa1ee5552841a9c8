# SPDX-License-Identifier: Apache-2.0
"""Run a public network with ONNX Runtime."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from model_tools.evaluation.experts.network import ExpertError, Shape, file_hash
from panoptic_perception.core.results import EngineInfo
from panoptic_perception.engines.onnxruntime_engine import session_options

PROVIDER = 'CPUExecutionProvider'
_WEIGHTS = (
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.DOUBLE,
    onnx.TensorProto.INT8,
    onnx.TensorProto.UINT8,
)
_QUANTIZERS = ('QuantizeLinear', 'DequantizeLinear')


class OnnxNetwork:
    """An ONNX file loaded into ONNX Runtime, fp32 on the CPU."""

    def __init__(self, path: Path, *, threads: int) -> None:
        try:
            model = onnx.load(path)
            self._session = _open_session(model, threads)
        except Exception as error:  # ONNX Runtime's errors share no narrower base
            raise ExpertError(f"'{path}' is no ONNX file that can be run: {error}") from error
        self.path = path
        self.sha256 = file_hash(path)
        self.parameters = count_parameters(model)
        self.info = EngineInfo('onnxruntime', PROVIDER, 'fp32', threads)
        inputs = self._session.get_inputs()
        self.input_shapes = tuple(_shape(i.shape) for i in inputs)
        self.output_shapes = tuple(_shape(o.shape) for o in self._session.get_outputs())
        self._input_name = inputs[0].name

    def run(self, blob: np.ndarray) -> Sequence[np.ndarray]:
        """Run on one image (1, 3, H, W) float32."""
        return self._session.run(None, {self._input_name: blob})


def count_parameters(model: onnx.ModelProto, *, other_than: Collection[str] = ()) -> int:
    """Return the number of weights, in float or in 8 bits, but some.

    Scales and zero points are none.
    """
    ranges = {
        name for node in model.graph.node if node.op_type in _QUANTIZERS for name in node.input[1:]
    }
    return sum(
        math.prod(w.dims)
        for w in model.graph.initializer
        if w.data_type in _WEIGHTS and w.name not in ranges.union(other_than)
    )


def _open_session(model: onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
    _make_weights_constant(model.graph)
    return onnxruntime.InferenceSession(
        model.SerializeToString(),
        session_options(threads),
        providers=[PROVIDER],
        enable_fallback=False,
    )


def _make_weights_constant(graph: onnx.GraphProto) -> None:
    """Take the weights out of the inputs, where old exporters list them: none would be folded."""
    weights = {w.name for w in graph.initializer}
    for value in [v for v in graph.input if v.name in weights]:
        graph.input.remove(value)


def _shape(sizes: Sequence[int | str | None]) -> Shape:
    return tuple('?' if size is None else size for size in sizes)
