# SPDX-License-Identifier: Apache-2.0
"""Make a model file ready to ship: thresholds from the hold-out, scores on val, parity."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from model_tools.data.label_set import load_label_set
from model_tools.data.problems import Problems
from model_tools.data.readers import ReaderSettings, RoadData, open_data, read_samples
from model_tools.evaluation.evaluate import evaluate
from model_tools.evaluation.headline import headline
from model_tools.evaluation.predictors import ModelFilePredictor
from model_tools.evaluation.protocol import Protocol, load_protocols
from model_tools.evaluation.thresholds import NEUTRAL, choose_thresholds
from model_tools.export.model_file import check_parity, write_model_file
from model_tools.training.checkpoint import load_checkpoint, load_network
from panoptic_perception.core.letterbox import Letterbox

PARITY_IMAGES = 20


def release(
    checkpoint: Path,
    data_root: Path,
    out: Path,
    *,
    overrides: Mapping[str, str] | None = None,
    max_skipped: float = 0.01,
) -> tuple[dict[str, Any], dict[str, float]]:
    """
    Write `out`; return the evaluation record on val and the largest differences to the network.

    Thresholds are chosen on the groups that the run held out of its training split; val only
    reports. A file at `out` is replaced only by one that agrees with the network. `overrides`
    change settings of the `dataset` protocol.
    """
    state, net = load_checkpoint(checkpoint), load_network(checkpoint)
    training = state['training']
    labels = load_label_set(training.get('label_set', 'default'))
    data = open_data(data_root, ReaderSettings(labels=labels))
    protocols = load_protocols(['dataset'], overrides)
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
            held_out = evaluate(
                ModelFilePredictor(candidate),
                data,
                'train',
                protocols,
                max_skipped=max_skipped,
                select=lambda sample: sample.group in groups,
            )
            thresholds = {**NEUTRAL, **choose_thresholds(held_out)}
        write(thresholds, {})
        scored = evaluate(
            ModelFilePredictor(candidate), data, 'val', protocols, max_skipped=max_skipped
        )
        record = scored.record()
        write(thresholds, _metrics(record, protocols[0]))
        differences = check_parity(net, candidate, _images(data, input_wh))
        candidate.replace(out)
    finally:
        candidate.unlink(missing_ok=True)
    return record, differences


def _metrics(record: dict[str, Any], protocol: Protocol) -> dict[str, Any]:
    """Return what the file says of its own quality: the headline figures by source."""
    scores = record['protocols'][protocol.name]
    parts = {**scores['slices'].get('source', {}), 'all': scores['all']}
    return {
        'protocol': protocol.name,
        'overrides': {name: o['used'] for name, o in scores['overrides'].items()},
        'split': record['data']['split'],
        'scores': {name: headline(part) for name, part in parts.items()},
    }


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


def _images(data: RoadData, input_wh: tuple[int, int]) -> np.ndarray:
    names = data.names('val')
    names = names[:: max(1, len(names) // PARITY_IMAGES)][:PARITY_IMAGES]
    return np.stack(
        [
            Letterbox((s.image.shape[1], s.image.shape[0]), input_wh).image(s.image)
            for s in read_samples(data, 'val', Problems(len(names), limit=1), names=names)
        ]
    )
