# SPDX-License-Identifier: Apache-2.0
"""Make a model file ready to ship: thresholds from the hold-out, scores on val, parity."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from model_tools.data.yolop_layout import list_names, read_sample
from model_tools.evaluation.evaluate import choose_thresholds, score_split
from model_tools.export.model_file import check_parity, write_model_file
from model_tools.training.checkpoint import load_checkpoint, load_network
from panoptic_perception.core.letterbox import Letterbox
from panoptic_perception.core.results import Thresholds

NEUTRAL = {'score': 0.3, 'drivable': 0.5, 'lane': 0.5}
"""Thresholds of a run that kept no hold-out to choose them on."""
PARITY_IMAGES = 20


def release(checkpoint: Path, data: Path, out: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """Write `out` and return its scores on val and its largest differences to the network.

    Thresholds are chosen on the groups that the run held out of its training split; val only
    reports. A file at `out` is replaced only by one that agrees with the network.
    """
    state, net = load_checkpoint(checkpoint), load_network(checkpoint)
    training = state['training']
    input_wh = tuple(training['input_wh'])
    candidate = out.with_suffix('.candidate.onnx')

    def write(thresholds: dict[str, float], metrics: dict[str, Any]) -> None:
        write_model_file(
            net,
            candidate,
            input_wh=input_wh,
            thresholds=thresholds,
            provenance=_provenance(checkpoint, state),
            metrics=metrics,
        )

    try:
        write(NEUTRAL, {})
        thresholds = NEUTRAL
        if groups := training['holdout_groups']:
            thresholds = choose_thresholds(score_split(candidate, data, 'train', groups=groups))
        scores = score_split(candidate, data, 'val').summary(Thresholds(**thresholds))
        write(thresholds, {'split': 'val', 'min_box_height_px': 12, 'scores': scores})
        differences = check_parity(net, candidate, _images(data, input_wh))
        candidate.replace(out)
    finally:
        candidate.unlink(missing_ok=True)
    return scores, differences


def _provenance(checkpoint: Path, state: dict[str, Any]) -> dict[str, Any]:
    training = state['training']
    return {
        'tool_version': version('panoptic_perception'),
        'checkpoint_sha256': hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
        'data': [Path(training[k]).name for k in ('data', 'synthetic') if training[k]],
        'warm_start': Path(training['warm_start']).name,
        'epochs': state['epoch'],
        'steps': state['step'],
        'holdout_groups': training['holdout_groups'],
        'network': state['network'],
    }


def _images(data: Path, input_wh: tuple[int, int]) -> np.ndarray:
    names = list_names(data, 'val')
    images = []
    for name in names[:: max(1, len(names) // PARITY_IMAGES)][:PARITY_IMAGES]:
        image = read_sample(data, 'val', name).image
        images.append(Letterbox((image.shape[1], image.shape[0]), input_wh).image(image))
    return np.stack(images)
