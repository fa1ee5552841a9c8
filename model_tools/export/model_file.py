# SPDX-License-Identifier: Apache-2.0
"""Write a checkpoint as a model file and prove that it says what the network says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from model_tools.export.onnx_graph import DeployedNet, build_graph
from model_tools.networks.panoptic_net import PanopticNet
from panoptic_perception.engines import load_engine

PAD_VALUE = 114
BOX_LIMIT = 1e-2
"""Network pixels. Large boxes are sums up to 640 of float32 products: 2e-3 is seen."""
SCORE_LIMIT = 1e-5
MASK_LIMIT = 1


class ParityError(ValueError):
    """The exported file and the network disagree."""


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


@torch.no_grad()
def check_parity(net: PanopticNet, path: Path, images: np.ndarray) -> dict[str, float]:
    """Compare the file with the network on letterboxed images (N, H, W, 3) uint8.

    Every box that the file returns must be one of the network's dense boxes with the same
    score. Returns the largest differences; raises ParityError over the limits.
    """
    deployed = DeployedNet(net.eval()).eval()
    engine = load_engine(path, threads=1)
    worst = {'boxes_px': 0.0, 'scores': 0.0, 'masks_levels': 0.0}
    for image in images:
        boxes, scores, drivable, lane = (
            t[0].numpy() for t in deployed(torch.from_numpy(image[None]))
        )
        found = engine.run(image[None])
        for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True):
            cell = np.abs(boxes - box).max(1).argmin()
            worst['boxes_px'] = max(worst['boxes_px'], float(np.abs(boxes[cell] - box).max()))
            worst['scores'] = max(worst['scores'], float(abs(scores[label, cell] - score)))
        for expected, mask in ((drivable, found.drivable[0]), (lane, found.lane[0])):
            difference = np.abs(expected.astype(int) - mask.astype(int)).max()
            worst['masks_levels'] = max(worst['masks_levels'], float(difference))
    limits = {'boxes_px': BOX_LIMIT, 'scores': SCORE_LIMIT, 'masks_levels': MASK_LIMIT}
    if over := {k: v for k, v in worst.items() if v > limits[k]}:
        raise ParityError(f"'{path}' differs from the network: {over}, limits {limits}")
    return worst
