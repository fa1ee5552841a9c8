# SPDX-License-Identifier: Apache-2.0
"""Run a model file with ONNX Runtime."""

from __future__ import annotations

import os
import time

import numpy as np
import onnxruntime

from panoptic_perception.core.results import EngineInfo
from panoptic_perception.engines.engine import EngineError, NetworkOutput, checked_output
from panoptic_perception.engines.graph_checks import OUTPUTS
from panoptic_perception.engines.model_file import ModelInfo

_PROVIDERS = {'auto': 'CPUExecutionProvider', 'cpu': 'CPUExecutionProvider'}
MAX_THREADS = 256


class OnnxRuntimeEngine:
    """A model loaded into ONNX Runtime."""

    def __init__(self, model: ModelInfo, *, device: str = 'auto', threads: int = 0) -> None:
        if device not in _PROVIDERS:
            raise EngineError(
                f'device {device!r} is not available with onnxruntime; '
                f'choose one of {", ".join(_PROVIDERS)}'
            )
        if not 0 <= threads <= MAX_THREADS:
            raise EngineError(f'threads must be 0 (automatic) to {MAX_THREADS}, found {threads}')
        provider = _PROVIDERS[device]
        threads = threads or min(2, len(os.sched_getaffinity(0)))
        self.model = model
        self.info = EngineInfo('onnxruntime', provider, model.precision, threads)
        self._session = _open_session(model, provider, threads)

    def run(self, images: np.ndarray) -> NetworkOutput:
        """Run a batch of shape `(N, H, W, 3)`, uint8 BGR."""
        self._check_images(images)
        try:
            values = self._session.run(list(OUTPUTS), {'image': images})
        except Exception as error:  # ONNX Runtime's errors share no narrower base
            raise EngineError(f'onnxruntime failed to run {self.model.path}: {error}') from error
        return checked_output(self.model, len(images), dict(zip(OUTPUTS, values, strict=True)))

    def warm_up(self) -> float:
        """Run once on an empty image; return the milliseconds it took."""
        width, height = self.model.input_wh
        shape = (self.model.batch_size or 1, height, width, 3)
        start = time.perf_counter()
        self.run(np.full(shape, self.model.pad_value, np.uint8))
        return (time.perf_counter() - start) * 1e3

    def _check_images(self, images: np.ndarray) -> None:
        width, height = self.model.input_wh
        batch_size = self.model.batch_size or len(images)
        expected = (batch_size, height, width, 3)
        if not batch_size or images.shape != expected or images.dtype != np.uint8:
            raise EngineError(
                f'network input must have shape {expected} and type uint8, '
                f'found shape {images.shape} and type {images.dtype}'
            )


def _open_session(model: ModelInfo, provider: str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads burn the cores that the rest of the vehicle's software needs.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(model.path), options, providers=[provider], enable_fallback=False
        )
    except Exception as error:  # ONNX Runtime's errors share no narrower base
        raise EngineError(f'onnxruntime cannot load {model.path}: {error}') from error
    # A provider that cannot start is left out without an error.
    if session.get_providers()[0] != provider:
        raise EngineError(
            f'onnxruntime was asked for {provider} but runs {session.get_providers()[0]}; '
            'install an onnxruntime package that has this provider'
        )
    return session
