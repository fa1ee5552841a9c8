# SPDX-License-Identifier: Apache-2.0
"""Show what operators a model file spends its time on, in both engines, one thread.

    python docs/results/performance/profile.py FILE [FILE ...] --json profile.json

Both engines tell what they made of the graph, in which activations may be part of a convolution.
Sums over the nodes of their medians over frames.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime
from tabulate import tabulate

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


def onnxruntime_profile(model: ModelInfo, image: np.ndarray) -> Profile:
    """Return what ONNX Runtime spends a frame on."""
    with tempfile.TemporaryDirectory() as folder:
        options = session_options(threads=1)
        options.enable_profiling = True
        options.profile_file_prefix = f'{folder}/profile'
        session = onnxruntime.InferenceSession(
            str(model.path), options, providers=['CPUExecutionProvider']
        )
        for _ in range(WARM_UP + FRAMES):
            session.run(None, {'image': image})
        events = json.loads(Path(session.end_profiling()).read_text())
    nodes = [e for e in events if e['cat'] == 'Node' and e['name'].endswith('_kernel_time')]
    return _sums((e['name'], e['args']['op_name'], e['dur'] / 1e3) for e in nodes)


def openvino_profile(model: ModelInfo, image: np.ndarray, hint: str) -> Profile:
    """Return what OpenVINO spends a frame on, where `hint` is computed in float."""
    core = openvino_core()
    network = core.read_model(str(model.path))
    network.reshape({'image': list(image.shape)})
    settings = {**float_settings(hint, threads=1), 'PERF_COUNT': True}
    request = core.compile_model(network, 'CPU', settings).create_infer_request()
    nodes = []
    for _ in range(WARM_UP + FRAMES):
        request.infer({'image': image}, share_inputs=True)
        nodes += [
            (node.node_name, node.node_type, node.real_time.total_seconds() * 1e3)
            for node in request.get_profiling_info()
        ]
    return _sums(nodes)


def _sums(nodes: Iterable[tuple[str, str, float]]) -> Profile:
    """Return the sums over the medians of each node, by kind."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for name, kind, ms in nodes:
        times[name, kind].append(ms)
    sums: Profile = defaultdict(float)
    for (_, kind), values in times.items():
        sums[kind] += median(values[WARM_UP:])
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
    found: dict[str, dict[str, Profile]] = {'onnxruntime': {}, 'openvino': {}}
    for name in args.models:
        model = read_model(find_model(name))
        image = Letterbox(frame.shape[1::-1], model.input_wh).image(frame)[None]
        label = Path(name).stem
        found['onnxruntime'][label] = onnxruntime_profile(model, image)
        for hint in ('f32', 'bf16'):
            found['openvino'][f'{label} {hint}'] = openvino_profile(model, image, hint)
    for engine, profiles in found.items():
        print(f'{engine}, ms', table(profiles), '', sep='\n\n')
    if args.json:
        write_json(args.json, {'machine': describe_machine(), 'ms': found})


if __name__ == '__main__':
    main()
