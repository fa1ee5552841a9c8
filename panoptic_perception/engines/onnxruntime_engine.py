# SPDX-License-Identifier: Apache-2.0
"""Run a model file with ONNX Runtime: on the CPU, with CUDA or with TensorRT."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from panoptic_perception.core.results import EngineInfo
from panoptic_perception.engines.engine import EngineError
from panoptic_perception.engines.file_engine import FileEngine, thread_count
from panoptic_perception.engines.graph_checks import OUTPUTS
from panoptic_perception.engines.model_file import ModelInfo
from panoptic_perception.engines.nvidia import gpu_name
from panoptic_perception.engines.patience import patience
from panoptic_perception.engines.tensorrt_cache import cache_folder, open_cached, tensorrt_version

PROVIDERS = {
    'cpu': 'CPUExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'tensorrt': 'TensorrtExecutionProvider',
}
_CPU: tuple[str, dict[str, str]] = (PROVIDERS['cpu'], {})
# CUDA computes in TF32 unless told otherwise, which is no float32.
_CUDA = (PROVIDERS['cuda'], {'use_tf32': '0'})
_SLOW_INT8 = (
    'onnxruntime computes most depthwise convolutions of an int8 file in float32, which makes it'
    ' slower than the float32 file: run it in openvino (pip install openvino)'
)


class OnnxRuntimeEngine(FileEngine):
    """A model loaded into ONNX Runtime; `threads` 0 is the safe number for this machine."""

    kept_in: Path | None = None
    """Folder with what TensorRT has built; None if nothing is kept."""

    def __init__(
        self, model: ModelInfo, *, device: str, precision: str, threads: int, note: str = ''
    ) -> None:
        threads = thread_count(threads)
        batch_size = model.batch_size
        if device == 'tensorrt':
            self._session, is_kept, cache_note = _open_tensorrt(model, precision, threads)
            self.kept_in = tensorrt_folder(model, precision) if is_kept else None
            note = '; '.join(filter(None, (note, cache_note)))
            # Another batch size would be built for minutes, in the middle of a drive.
            batch_size = batch_size or 1
        else:
            providers = [_CUDA, _CPU] if device == 'cuda' else [_CPU]
            self._session = _open_session(model, providers, threads)
            slow = _SLOW_INT8 if (device, precision) == ('cpu', 'int8') else ''
            note = '; '.join(filter(None, (note, slow)))
        info = EngineInfo('onnxruntime', PROVIDERS[device], precision, threads, note)
        super().__init__(model, info, batch_size=batch_size)

    def _infer(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        values = self._session.run(list(OUTPUTS), {'image': images})
        return dict(zip(OUTPUTS, values, strict=True))


def available_providers() -> list[str]:
    """Return the providers that the installed package was built with."""
    return onnxruntime.get_available_providers()


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Return the options of a session that keeps to its threads and to itself."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads burn the cores that the rest of the vehicle's software needs.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    options.log_severity_level = 3
    return options


def _open_session(
    model: ModelInfo, providers: list[tuple[str, dict[str, str]]], threads: int
) -> Any:
    """Load a model file for the first of the providers; the others run what that one cannot."""
    options = session_options(threads)
    try:
        session = onnxruntime.InferenceSession(
            str(model.path), options, providers=providers, enable_fallback=False
        )
    except Exception as error:  # ONNX Runtime's errors share no narrower base
        raise EngineError(f'onnxruntime cannot load {model.path}: {error}') from error
    # A provider that cannot start is left out without an error.
    wanted, found = providers[0][0], session.get_providers()[0]
    if found != wanted:
        raise EngineError(
            f'onnxruntime was asked for {wanted} but runs {found}: install the libraries that'
            f' version {onnxruntime.__version__} needs (CUDA, cuDNN, TensorRT)'
        )
    return session


def _open_tensorrt(model: ModelInfo, precision: str, threads: int) -> tuple[Any, bool, str]:
    """Load a model file into TensorRT, from the cache if there is one; see `open_cached`."""
    width, height = model.input_wh
    image = np.full((model.batch_size or 1, height, width, 3), model.pad_value, np.uint8)

    def build(folder: Path | None) -> Any:
        settings = {'trt_fp16_enable': str(int(precision == 'fp16'))}
        if folder is not None:
            settings |= {'trt_engine_cache_enable': '1', 'trt_engine_cache_path': str(folder)}
        providers = [(PROVIDERS['tensorrt'], settings), _CUDA, _CPU]
        is_built = folder is not None and any(folder.iterdir())
        with nullcontext() if is_built else patience(f'TensorRT builds {model.path} for this GPU'):
            session = _open_session(model, providers, threads)
            try:
                # Where the batch size is free, TensorRT builds only when the first image comes.
                session.run(list(OUTPUTS), {'image': image})
            except Exception as error:
                raise EngineError(f'TensorRT cannot run {model.path}: {error}') from error
        # What TensorRT cannot take goes to the other providers without an error.
        if folder is not None and not any(folder.iterdir()):
            raise EngineError(f'TensorRT takes no part of {model.path}: set device: cuda')
        return session

    return open_cached(tensorrt_folder(model, precision), build)


def tensorrt_folder(model: ModelInfo, precision: str) -> Path:
    """Return where what TensorRT builds of a model file for this machine is kept."""
    return cache_folder(
        model,
        precision=precision,
        gpu=gpu_name(),
        onnxruntime=onnxruntime.__version__,
        tensorrt=tensorrt_version(),
    )
