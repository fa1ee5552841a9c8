# SPDX-License-Identifier: Apache-2.0
"""Write a network as a model file of the contract."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from model_tools.export.onnx_graph import build_graph
from model_tools.networks.panoptic_net import PanopticNet

PAD_VALUE = 114


def write_model_file(
    net: PanopticNet,
    path: Path,
    *,
    input_wh: tuple[int, int],
    thresholds: Mapping[str, float],
    provenance: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> Path:
    """Write the contract's one-file ONNX model."""
    model = build_graph(net, input_wh)
    values = {
        'panoptic.schema': 1,
        'panoptic.labels': list(net.config.labels),
        'panoptic.input': {
            'height': input_wh[1],
            'width': input_wh[0],
            'colour': 'bgr',
            'pad_value': PAD_VALUE,
        },
        'panoptic.thresholds': dict(thresholds),
        'panoptic.precision': 'fp32',
        'panoptic.provenance': dict(provenance),
        'panoptic.metrics': dict(metrics),
    }
    onnx.helper.set_model_props(model, {k: json.dumps(v) for k, v in values.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def amend_model_file(path: Path, **values: Any) -> None:
    """Replace what a model file says of itself, such as its `metrics`; the graph stays."""
    model = onnx.load(path)
    entries = {entry.key: entry.value for entry in model.metadata_props}
    entries |= {f'panoptic.{key}': json.dumps(value) for key, value in values.items()}
    onnx.helper.set_model_props(model, entries)
    path.write_bytes(model.SerializeToString())
