# SPDX-License-Identifier: Apache-2.0
"""Load a model file into the engine that the policy chooses."""

from __future__ import annotations

from pathlib import Path

from panoptic_perception.engines import installed
from panoptic_perception.engines.engine import Engine, EngineError
from panoptic_perception.engines.model_file import ModelInfo, read_model
from panoptic_perception.engines.policy import AUTO, STRICT, Way, Wish, choose

MAX_THREADS = 256


def load_engine(
    path: Path,
    *,
    engine: str = AUTO,
    device: str = AUTO,
    precision: str = AUTO,
    threads: int = 0,
    provider_policy: str = STRICT,
) -> Engine:
    """
    Load a model file and run it once; `info` of the result says what runs, and why nothing else.

    Args:
        path: The model file.
        engine: 'auto', 'onnxruntime' or 'openvino'. On a CPU, 'auto' is OpenVINO for int8 files
            and bf16, else ONNX Runtime; where one of them is missing, the other.
        device: 'auto', 'cpu', 'cuda' or 'tensorrt'. 'auto' is CUDA where a GPU and an ONNX
            Runtime for it are found, else the CPU.
        precision: 'auto', 'fp32', 'bf16', 'fp16', 'int8' or 'int8-bf16', which computes in bf16
            what an int8 file has in float. 'auto' is that of the model file, on TensorRT fp16.
        threads: Threads of the engine; 0 means two, or one on a single core. A number that is
            not met is told in the note, whatever the policy.
        provider_policy: 'strict' refuses what cannot be had; 'fallback' runs what can be.

    Raises:
        ModelFileError: The file breaks the model file contract.
        EngineError: The wanted engine, device or precision cannot be had here.

    """
    wish = Wish(engine, device, precision, provider_policy)
    if not 0 <= threads <= MAX_THREADS:
        raise EngineError(f'threads must be 0 (automatic) to {MAX_THREADS}, found {threads}')
    model = read_model(path)
    # What looked well and did not open or answer, such as CUDA without its libraries.
    failures: dict[Way, str] = {}

    def obstacle(way: Way) -> str:
        return failures.get(way) or installed.obstacle(way)

    while True:
        try:
            way, note = choose(wish, model.precision, obstacle)
        except EngineError as error:
            raise EngineError(f'{model.path} cannot run with {wish}: {error}') from error
        untold = [failure for failure in failures.values() if failure not in note]
        try:
            return _open(model, way, threads, '; '.join(filter(None, (note, *untold))))
        except EngineError as error:
            failures[way] = str(error)


def _open(model: ModelInfo, way: Way, threads: int, note: str) -> Engine:
    engine = _made(model, way, threads, note)
    engine.warm_up()  # what opens may still not run
    return engine


def _made(model: ModelInfo, way: Way, threads: int, note: str) -> Engine:
    if way.engine == 'openvino':
        from panoptic_perception.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(model, precision=way.precision, threads=threads, note=note)
    from panoptic_perception.engines.onnxruntime_engine import OnnxRuntimeEngine

    return OnnxRuntimeEngine(
        model, device=way.device, precision=way.precision, threads=threads, note=note
    )
