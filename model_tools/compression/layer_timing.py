# SPDX-License-Identifier: Apache-2.0
"""Measure how long single layers take in an engine, in float32.

Each runs as a graph of its own under the engine's profiler. That leaves out the copies between
memory layouts, which a lone layer needs at its inputs and outputs, unlike one within a network.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
import onnxruntime

from model_tools.compression.layer_graph import layer_graph
from model_tools.compression.layers import Layer
from panoptic_perception.engines.onnxruntime_engine import session_options
from panoptic_perception.engines.openvino_engine import float_settings
from panoptic_perception.engines.quiet_openvino import openvino_core

REPEATS = 15
WARM_UP = 3
SERIES = 3
"""Of means: what lengthens a run spoils one of them."""
TICK_MS = 1e-3
"""OpenVINO cuts its means to whole ticks."""


def measure(layers: Mapping[str, Layer], *, engine: str, threads: int) -> dict[str, float]:
    """Return the milliseconds of layers, by the same keys.

    The layers take turns, so that a slow minute of the machine befalls all alike. `engine` is one
    of `RUNS`.
    """
    with tempfile.TemporaryDirectory() as folder:
        runs = {
            key: RUNS[engine](layer, threads, Path(folder) / str(i))
            for i, (key, layer) in enumerate(layers.items())
        }
        for _ in range(WARM_UP + REPEATS):
            for run in runs.values():
                run.once()
        return {key: run.warm_ms() for key, run in runs.items()}


class _Run(Protocol):
    """A layer loaded into an engine that notes the time of each operator."""

    def __init__(self, layer: Layer, threads: int, path: Path) -> None:
        """Load a layer; files of its own begin with `path`."""

    def once(self) -> None:
        """Run it."""

    def warm_ms(self) -> float:
        """Return what a warm run spends on the layer itself; it does not run again."""


class _OnnxRuntimeRun:
    def __init__(self, layer: Layer, threads: int, path: Path) -> None:
        options = session_options(threads)
        options.enable_profiling = True
        options.profile_file_prefix = str(path)
        graph = layer_graph(layer)
        self._feed = _feed(graph)
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=['CPUExecutionProvider']
        )
        convolutions = [] if layer.is_convolution else ['Conv']
        self._others = {'ReorderInput', 'ReorderOutput', *convolutions}

    def once(self) -> None:
        self._session.run(None, self._feed)

    def warm_ms(self) -> float:
        """Return the least: what nothing has lengthened."""
        events = json.loads(Path(self._session.end_profiling()).read_text())
        nodes = [event for event in events if event['cat'] == 'Node']
        own = [e['dur'] for e in nodes if e['args'].get('op_name') not in self._others]
        microseconds = np.reshape(own, (WARM_UP + REPEATS, -1)).sum(1)
        return float(microseconds[WARM_UP:].min()) / 1e3


class _OpenVinoRun:
    def __init__(self, layer: Layer, threads: int, path: Path) -> None:
        graph = layer_graph(layer)
        self._feed = _feed(graph)
        file = path.with_suffix('.onnx')
        onnx.save(graph, file)
        settings = {**float_settings('f32', threads), 'PERF_COUNT': True}
        # Requests of one compiled model would share its means.
        self._requests = [
            openvino_core().compile_model(str(file), 'CPU', settings).create_infer_request()
            for _ in range(SERIES)
        ]
        convolutions = [] if layer.is_convolution else ['Convolution', 'GroupConvolution']
        self._others = {'Parameter', 'Result', 'Reorder', *convolutions}
        self._means: list[list[float]] = [[] for _ in self._requests]

    def once(self) -> None:
        for request, means in zip(self._requests, self._means, strict=True):
            request.infer(self._feed, share_inputs=True)
            own = (n for n in request.get_profiling_info() if n.node_type not in self._others)
            # Of each operator the mean of all runs until now, the cold ones among them.
            means.append(sum(node.real_time.total_seconds() * 1e3 for node in own))

    def warm_ms(self) -> float:
        """Return the least mean of some series: OpenVINO tells no single runs."""
        return min(max(mean_of_the_last(means, WARM_UP), TICK_MS) for means in self._means)


RUNS: Mapping[str, type[_Run]] = {'onnxruntime': _OnnxRuntimeRun, 'openvino': _OpenVinoRun}
"""By name of engine."""


def mean_of_the_last(means: Sequence[float], first: int) -> float:
    """Return the mean of numbers from the `first` on, given the mean of all up to each of them.

    Of means that are cut to whole ticks it is too small by up to count / (count - first) of one,
    below 0 even.
    """
    count = len(means)
    return (count * means[-1] - first * means[first - 1]) / (count - first)


def _feed(graph: onnx.ModelProto) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {
        value.name: [size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in graph.graph.input
    }
    return {name: rng.random(shape, np.float32) for name, shape in shapes.items()}
