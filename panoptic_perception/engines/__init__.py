# SPDX-License-Identifier: Apache-2.0
"""Load model files and run them."""

from __future__ import annotations

from pathlib import Path

from panoptic_perception.engines.engine import (
    Engine,
    EngineError,
    EngineOutputError,
    NetworkOutput,
)
from panoptic_perception.engines.model_file import (
    ModelFileError,
    ModelInfo,
    default_model_path,
    read_model,
)

__all__ = [
    'Engine',
    'EngineError',
    'EngineOutputError',
    'ModelFileError',
    'ModelInfo',
    'NetworkOutput',
    'default_model_path',
    'load_engine',
    'read_model',
]

ENGINES = ('auto', 'onnxruntime')


def load_engine(
    path: Path,
    *,
    engine: str = 'auto',
    device: str = 'auto',
    precision: str = 'auto',
    threads: int = 0,
) -> Engine:
    """
    Load a model file, ready to run.

    Args:
        path: The model file.
        engine: 'auto' or 'onnxruntime'.
        device: 'auto' or 'cpu'.
        precision: 'auto', or the precision that the model file must have.
        threads: Threads of the engine; 0 means two, or one on a single core.

    Raises:
        ModelFileError: The file breaks the model file contract.
        EngineError: The wanted engine, device or precision cannot be had here.

    """
    if engine not in ENGINES:
        raise EngineError(
            f'engine {engine!r} is not available; choose one of {", ".join(ENGINES)}'
        )
    model = read_model(path)
    if precision not in ('auto', model.precision):
        raise EngineError(
            f'precision {precision!r} is not available: {model.path} holds {model.precision}; '
            "use 'auto' or a model file of that precision"
        )
    try:
        from panoptic_perception.engines.onnxruntime_engine import OnnxRuntimeEngine
    except ImportError as error:
        raise EngineError(
            f'engine onnxruntime cannot be loaded ({error}); install it: pip install onnxruntime'
        ) from error
    return OnnxRuntimeEngine(model, device=device, threads=threads)
