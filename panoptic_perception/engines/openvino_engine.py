# SPDX-License-Identifier: Apache-2.0
"""Run a model file with OpenVINO on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from panoptic_perception.core.results import EngineInfo
from panoptic_perception.engines.engine import EngineError
from panoptic_perception.engines.file_engine import FileEngine, thread_count
from panoptic_perception.engines.graph_checks import OUTPUTS
from panoptic_perception.engines.model_file import ModelInfo
from panoptic_perception.engines.quiet_openvino import openvino_core

if TYPE_CHECKING:
    import openvino

_DEVICE = 'CPU'
# Of what is computed in float, which in an int8 file is what stands beside the integers.
_HINTS = {'fp32': 'f32', 'bf16': 'bf16', 'int8': 'f32', 'int8-bf16': 'bf16'}


class OpenVinoEngine(FileEngine):
    """
    A model compiled by OpenVINO, once for each batch size that is asked for.

    `threads` 0 is the safe number for this machine. Several threads may call `run`, which
    serves one after the other.
    """

    def __init__(self, model: ModelInfo, *, precision: str, threads: int, note: str = '') -> None:
        self._path = str(model.path)
        # A request serves one thread: a second one gets an error or waits for ever.
        self._lock = Lock()
        self._settings = float_settings(_HINTS[precision], thread_count(threads))
        batch_size = model.batch_size or 1
        try:
            compiled = self._compile(batch_size)
            self._requests = {batch_size: compiled.create_infer_request()}
            hint = compiled.get_property('INFERENCE_PRECISION_HINT').to_string()
            found = compiled.get_property('INFERENCE_NUM_THREADS')
            in_float = model.precision == 'int8' and not _has_8_bit_convolution(compiled)
        except Exception as error:  # a damaged name makes an error of text, not of OpenVINO
            reason = ' '.join(str(error).split())  # it comes in several lines
            raise EngineError(f'openvino cannot load {model.path}: {reason}') from error
        if hint != _HINTS[precision]:
            raise EngineError(f'openvino was asked for {_HINTS[precision]} but computes in {hint}')
        few = f'openvino takes {found} of {threads} threads, one for each core'
        floating = 'openvino computes no convolution of this file in 8 bits on this CPU'
        told = (note, few if threads and found != threads else '', floating if in_float else '')
        note = '; '.join(filter(None, told))
        info = EngineInfo('openvino', _DEVICE, precision, found, note)
        super().__init__(model, info, batch_size=model.batch_size)

    def _infer(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        batch_size = len(images)
        with self._lock:
            if batch_size not in self._requests:
                self._requests[batch_size] = self._compile(batch_size).create_infer_request()
            results = self._requests[batch_size].infer({'image': images}, share_inputs=True)
        return {name: results[name] for name in OUTPUTS}

    def _compile(self, batch_size: int) -> openvino.CompiledModel:
        """Compile for one batch size: a free one costs 3 to 7 % of the time of each image."""
        core = openvino_core()
        model = core.read_model(self._path)
        _, *sides = model.input('image').get_partial_shape()
        model.reshape({'image': [batch_size, *sides]})
        return core.compile_model(model, _DEVICE, self._settings)


def float_settings(hint: str, threads: int) -> dict[str, Any]:
    """Return the settings of a network that computes in `hint` (f32, bf16) what is float in it."""
    return {
        # Left alone, OpenVINO computes in bf16 wherever the CPU has it.
        'INFERENCE_PRECISION_HINT': hint,
        'INFERENCE_NUM_THREADS': threads,
        'NUM_STREAMS': 1,
        'PERFORMANCE_HINT': 'LATENCY',
        # Two processes on one host would be pinned to the same cores.
        'ENABLE_CPU_PINNING': False,
    }


def _has_8_bit_convolution(compiled: openvino.CompiledModel) -> bool:
    """Whether the plugin computes in integers at all: where the CPU cannot, it does not say so."""
    details = (operator.get_rt_info() for operator in compiled.get_runtime_model().get_ops())
    return any(
        detail['layerType'].astype(str) == 'Convolution'
        and detail['runtimePrecision'].astype(str) in ('i8', 'u8')
        for detail in details
    )
