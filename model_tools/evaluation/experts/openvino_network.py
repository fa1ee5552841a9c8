# SPDX-License-Identifier: Apache-2.0
"""Run a public network with OpenVINO."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model_tools.evaluation.experts.network import ExpertError, Shape, file_hash
from panoptic_perception.core.results import EngineInfo
from panoptic_perception.engines.quiet_openvino import openvino_core

if TYPE_CHECKING:
    import openvino

DEVICE = 'CPU'
_PRECISIONS = {'f32': 'fp32', 'f16': 'fp16', 'bf16': 'bf16'}


class OpenVinoNetwork:
    """An OpenVINO IR, the .xml with its .bin beside it, computed in fp32 on the CPU.

    `sha256` is that of the .xml followed by the .bin.
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        try:
            core = openvino_core()
        except ImportError as error:
            raise ExpertError(
                f'this expert runs in OpenVINO alone, which cannot be imported ({error}): '
                'pip install openvino'
            ) from error
        weights = path.with_suffix('.bin')
        if not weights.is_file():
            raise ExpertError(f"'{weights}' is no file: an OpenVINO .xml needs its .bin beside it")
        # Left alone, OpenVINO computes in bf16 wherever the CPU has it.
        settings = {
            'INFERENCE_PRECISION_HINT': 'f32',
            'INFERENCE_NUM_THREADS': threads,
            'NUM_STREAMS': 1,
        }
        try:
            model = core.read_model(path)
            compiled = core.compile_model(model, DEVICE, settings)
        except RuntimeError as error:
            raise ExpertError(f"'{path}' is no IR that OpenVINO can run: {error}") from error
        self.path = path
        self.sha256 = file_hash(path, weights)
        self.parameters = _count_parameters(model)
        precision = compiled.get_property('INFERENCE_PRECISION_HINT').to_string()
        self.info = EngineInfo(
            engine='openvino',
            provider=DEVICE,
            precision=_PRECISIONS[precision],
            threads=compiled.get_property('INFERENCE_NUM_THREADS'),
        )
        self.input_shapes = tuple(_shape(i.partial_shape) for i in model.inputs)
        self.output_shapes = tuple(_shape(o.partial_shape) for o in model.outputs)
        self._request = compiled.create_infer_request()

    def run(self, blob: np.ndarray) -> Sequence[np.ndarray]:
        """Run on one image (1, 3, H, W) float32; the outputs hold until the next run."""
        return list(self._request.infer([blob], share_inputs=True, share_outputs=True).values())


def _count_parameters(model: openvino.Model) -> int:
    return sum(
        math.prod(op.get_output_shape(0))
        for op in model.get_ops()
        if op.get_type_name() == 'Constant' and op.get_element_type().is_real()
    )


def _shape(sizes: openvino.PartialShape) -> Shape:
    return tuple('?' if size.is_dynamic else size.get_length() for size in sizes)
