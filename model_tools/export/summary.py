# SPDX-License-Identifier: Apache-2.0
"""Count what the parts of a network cost, and measure how long they take."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch.utils._pytree import tree_leaves
from tqdm import tqdm

from model_tools.data.synthetic import Drive, Scenario
from model_tools.evaluation.thresholds import NEUTRAL
from model_tools.export.model_file import write_model_file
from model_tools.export.onnx_graph import fold_batchnorm, write_onnx
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.networks.parts import Part, parts_of
from panoptic_perception.core.machine import describe_machine
from panoptic_perception.engines import load_engine
from panoptic_perception.engines.onnxruntime_engine import session_options

SCHEMA = 1
WARM_UP = 2


def summarise(
    net: PanopticNet, input_wh: tuple[int, int], *, threads: int, repeats: int
) -> dict[str, Any]:
    """
    Return parameters, GMAC and median milliseconds of each part and of the whole network.

    The network sees a frame of a synthetic drive. Each part runs as a graph of its own on what
    it gets there from the others. The whole is the model file as it runs on the vehicle: it also
    converts the image, suppresses boxes and enlarges masks, so it is no sum. All take turns, so
    that a busy moment of the machine befalls all alike.
    """
    image = _frame(input_wh)
    parts = parts_of(net, torch.from_numpy(image[None]).permute(0, 3, 1, 2).float())
    with tempfile.TemporaryDirectory() as folder:
        runs = [_part_run(part, Path(folder) / f'{part.name}.onnx', threads) for part in parts]
        whole = Path(folder) / 'whole.onnx'
        _write(net, whole, input_wh)
        runs.append(_file_run(whole, 'onnxruntime', threads))
    *part_ms, whole_ms = _medians(runs, repeats)
    return {
        'schema': SCHEMA,
        'network': net.config.to_dict(),
        'input': {'width': input_wh[0], 'height': input_wh[1]},
        'timing': {'engine': 'onnxruntime', 'threads': threads, 'repeats': repeats},
        'machine': describe_machine(),
        'parts': {
            part.name: _costs(part.parameters, part.macs, ms)
            for part, ms in zip(parts, part_ms, strict=True)
        },
        'total': _costs(
            sum(part.parameters for part in parts), sum(part.macs for part in parts), whole_ms
        ),
    }


def compare(
    nets: Sequence[PanopticNet],
    input_wh: tuple[int, int],
    *,
    engine: str,
    threads: int,
    repeats: int,
) -> list[float]:
    """Return the median milliseconds of the model files of networks, which take turns."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f'{i}.onnx' for i in range(len(nets))]
        for net, file in zip(nets, files, strict=True):
            _write(net, file, input_wh)
        return compare_files(files, engine=engine, threads=threads, repeats=repeats)


def compare_files(
    files: Sequence[Path], *, engine: str, threads: int, repeats: int
) -> list[float]:
    """Return the median milliseconds of model files, in float32, that take turns."""
    return _medians([_file_run(file, engine, threads) for file in files], repeats)


def _frame(input_wh: tuple[int, int]) -> np.ndarray:
    """Return a frame of a synthetic drive, so that there are boxes to be suppressed."""
    return Drive(0, size_wh=input_wh, scenario=Scenario('city', 'day', 'clear')).render(0.0).image


def _part_run(part: Part, path: Path, threads: int) -> Callable[[], object]:
    write_onnx(fold_batchnorm(part.module), part.arguments, path)
    session = onnxruntime.InferenceSession(
        path, session_options(threads), providers=['CPUExecutionProvider']
    )
    names = [value.name for value in session.get_inputs()]
    arrays = [tensor.numpy() for tensor in tree_leaves(part.arguments)]
    feed = dict(zip(names, arrays, strict=True))
    return lambda: session.run(None, feed)


def _write(net: PanopticNet, path: Path, input_wh: tuple[int, int]) -> None:
    write_model_file(net, path, input_wh=input_wh, thresholds=NEUTRAL, provenance={}, metrics={})


def _file_run(path: Path, engine: str, threads: int) -> Callable[[], object]:
    loaded = load_engine(path, engine=engine, device='cpu', threads=threads)
    image = _frame(loaded.model.input_wh)[None]
    return lambda: loaded.run(image)


def _medians(runs: list[Callable[[], object]], repeats: int) -> list[float]:
    for run in runs * WARM_UP:
        run()
    rounds = tqdm(range(repeats), desc='time', unit='round', disable=None)
    times = [[_milliseconds(run) for run in runs] for _ in rounds]
    return [float(median) for median in np.median(times, axis=0)]


def _milliseconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def _costs(parameters: int, macs: int, ms: float) -> dict[str, float]:
    return {'parameters': parameters, 'gmac': macs / 1e9, 'ms': round(ms, 3)}
