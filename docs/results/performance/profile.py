# SPDX-License-Identifier: Apache-2.0
"""Show what operators a model file spends its time on, in both engines, one thread.

    python docs/results/performance/profile.py FILE [FILE ...] --json profile.json

Both engines tell what they made of the graph, in which activations may be part of a convolution.
All files take turns. Sums over the nodes of their medians over frames, in OpenVINO of their means,
for it tells no single ones.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime
from tabulate import tabulate

from model_tools.compression.layer_timing import mean_of_the_last
from panoptic_perception.bench.frame import camera_jpeg
from panoptic_perception.core.codec import decode_compressed
from panoptic_perception.core.files import write_json
from panoptic_perception.core.letterbox import Letterbox
from panoptic_perception.core.machine import describe_machine
from panoptic_perception.engines import ModelInfo, find_model, read_model
from panoptic_perception.engines.onnxruntime_engine import session_options
from panoptic_perception.engines.openvino_engine import float_settings
from panoptic_perception.engines.quiet_openvino import openvino_core

FRAMES, WARM_UP = 40, 5
LEAST_SHARE = 0.01
"""Of a column; operators that reach it nowhere are summed as 'other'."""

Profile = dict[str, float]
"""Milliseconds of each kind of operator."""


class OnnxRuntimeRun:
    """A model file in ONNX Runtime."""

    def __init__(self, model: ModelInfo, folder: str) -> None:
        options = session_options(threads=1)
        options.enable_profiling = True
        options.profile_file_prefix = f'{folder}/{model.sha256}'
        self._session = onnxruntime.InferenceSession(
            str(model.path), options, providers=['CPUExecutionProvider']
        )

    def once(self, image: np.ndarray) -> None:
        """Run it."""
        self._session.run(None, {'image': image})

    def profile(self) -> Profile:
        """Return what a frame is spent on; it does not run again."""
        events = json.loads(Path(self._session.end_profiling()).read_text())
        nodes = [e for e in events if e['cat'] == 'Node' and e['name'].endswith('_kernel_time')]
        times = ((e['name'], e['args']['op_name'], e['dur'] / 1e3) for e in nodes)
        return _sums(times, lambda values: median(values[WARM_UP:]))


class OpenVinoRun:
    """A model file in OpenVINO, where `hint` is computed in float."""

    def __init__(self, model: ModelInfo, wh: tuple[int, int], hint: str) -> None:
        core = openvino_core()
        network = core.read_model(str(model.path))
        network.reshape({'image': [1, *wh[::-1], 3]})
        settings = {**float_settings(hint, threads=1), 'PERF_COUNT': True}
        self._request = core.compile_model(network, 'CPU', settings).create_infer_request()
        self._nodes: list[tuple[str, str, float]] = []

    def once(self, image: np.ndarray) -> None:
        """Run it."""
        self._request.infer({'image': image}, share_inputs=True)
        self._nodes += [
            (str(i), node.node_type, node.real_time.total_seconds() * 1e3)
            for i, node in enumerate(self._request.get_profiling_info())  # some share a name
        ]

    def profile(self) -> Profile:
        """Return what a frame is spent on; it does not run again."""
        # Each number is the mean of all runs until then, the cold ones among them.
        return _sums(self._nodes, lambda means: max(0.0, mean_of_the_last(means, WARM_UP)))


def _sums(
    nodes: Iterable[tuple[str, str, float]], typical: Callable[[list[float]], float]
) -> Profile:
    """Return by kind the sums over the nodes of what is typical of the numbers of each."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for name, kind, ms in nodes:
        times[name, kind].append(ms)
    sums: Profile = defaultdict(float)
    for (_, kind), values in times.items():
        sums[kind] += typical(values)
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def table(profiles: Mapping[str, Profile]) -> str:
    """Return a row an operator, a column a profile, in ms."""
    kinds = dict.fromkeys(
        kind
        for profile in profiles.values()
        for kind, ms in profile.items()
        if ms >= LEAST_SHARE * sum(profile.values())
    )
    rows = [[kind, *(p.get(kind, 0.0) for p in profiles.values())] for kind in kinds]
    rest = [sum(v for k, v in p.items() if k not in kinds) for p in profiles.values()]
    rows += [['other', *rest], ['all', *(sum(p.values()) for p in profiles.values())]]
    return tabulate(rows, ['operator', *profiles], tablefmt='github', floatfmt='.2f')


def main() -> None:
    """Profile each file in ONNX Runtime, and in OpenVINO with f32 and bf16 for what is float."""
    parser = argparse.ArgumentParser()
    parser.add_argument('models', nargs='+')
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    frame = decode_compressed(camera_jpeg())
    models = {Path(name).stem: read_model(find_model(name)) for name in args.models}
    if len(models) < len(args.models):
        parser.error('files must have names that differ')
    found: dict[str, dict[str, Profile]] = {}
    with tempfile.TemporaryDirectory() as folder:
        runs: dict[tuple[str, str], tuple[OnnxRuntimeRun | OpenVinoRun, np.ndarray]] = {}
        for name, model in models.items():
            image = Letterbox(frame.shape[1::-1], model.input_wh).image(frame)[None].copy()
            runs['onnxruntime', name] = OnnxRuntimeRun(model, folder), image
            for hint in ('f32', 'bf16'):
                run = OpenVinoRun(model, model.input_wh, hint)
                runs['openvino', f'{name} {hint}'] = run, image
        for _ in range(WARM_UP + FRAMES):
            for run, image in runs.values():
                run.once(image)
        for (engine, column), (run, _) in runs.items():
            found.setdefault(engine, {})[column] = run.profile()
    for engine, profiles in found.items():
        print(f'{engine}, ms', table(profiles), '', sep='\n\n')
    if args.json:
        write_json(args.json, {'machine': describe_machine(), 'ms': found})


if __name__ == '__main__':
    main()
