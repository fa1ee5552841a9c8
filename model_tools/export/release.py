# SPDX-License-Identifier: Apache-2.0
"""Make a model file ready to ship: thresholds from the hold-out, scores on val, parity."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from model_tools.data.holdout import held_out_part
from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers import ReaderSettings, RoadData, open_data, read_samples
from model_tools.evaluation.evaluate import evaluate
from model_tools.evaluation.headline import headline
from model_tools.evaluation.predictors import ModelFilePredictor
from model_tools.evaluation.protocol import Protocol, load_protocols
from model_tools.evaluation.thresholds import NEUTRAL, choose_thresholds
from model_tools.export.model_file import amend_model_file, write_model_file
from model_tools.export.parity import Parity, check_parity
from model_tools.settings import ConfigError
from model_tools.training.checkpoint import file_sha256, load_checkpoint, network_of
from model_tools.training.labels import load_labels
from panoptic_perception.core.letterbox import Letterbox

PARITY_IMAGES = 50


def release(
    checkpoint: Path,
    data_root: Path,
    out: Path,
    *,
    input_wh: tuple[int, int] | None = None,
    overrides: Mapping[str, str] | None = None,
    max_skipped: float = 0.01,
) -> tuple[dict[str, Any], Parity]:
    """
    Write `out`; return the evaluation record on val and how far the file is from the network.

    Thresholds are chosen on the groups that the run held out of its training split; val only
    reports. A file at `out` is replaced only by one that agrees with the network on
    `PARITY_IMAGES` images of val. Its input is that of the run unless `input_wh` says
    otherwise. `overrides` change settings of the `dataset` protocol.
    """
    if out.suffix != '.onnx' or out.is_dir():
        raise ValueError(f"'{out}': expected the name of a .onnx file to write")
    state = load_checkpoint(checkpoint)
    net = network_of(state, checkpoint)
    training = state['training']
    try:
        labels = load_labels(training.get('label_set', 'default'), net.config)
    except ConfigError as error:
        raise ConfigError(f"'{checkpoint}': {error}") from error
    data = open_data(data_root, ReaderSettings(labels=labels))
    protocols = load_protocols(['dataset'], overrides)
    input_wh = input_wh or tuple(training['input_wh'])
    images = parity_images(data, input_wh)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{out.name}.', dir=out.parent) as folder:
        candidate = Path(folder) / out.name
        write_model_file(
            net,
            candidate,
            input_wh=input_wh,
            thresholds=NEUTRAL,
            provenance={**origin(checkpoint, state), 'network': state['network']},
            metrics={},
        )
        parity = check_parity(net, candidate, images)
        if groups := training['holdout_groups']:
            held_out = evaluate(
                ModelFilePredictor(candidate),
                held_out_part(data, groups, max_skipped=max_skipped),
                'train',
                protocols,
                max_skipped=max_skipped,
            )
            amend_model_file(candidate, thresholds={**NEUTRAL, **choose_thresholds(held_out)})
        scored = evaluate(
            ModelFilePredictor(candidate), data, 'val', protocols, max_skipped=max_skipped
        )
        record = scored.record()
        amend_model_file(candidate, metrics=file_metrics(record, protocols[0]))
        candidate.replace(out)
    return record, parity


def file_metrics(record: dict[str, Any], protocol: Protocol) -> dict[str, Any]:
    """Return what the file says of its own quality: the headline figures by source."""
    scores = record['protocols'][protocol.name]
    parts = {**scores['slices'].get('source', {}), 'all': scores['all']}
    return {
        'protocol': protocol.name,
        'overrides': {name: o['used'] for name, o in scores['overrides'].items()},
        'split': record['data']['split'],
        'scores': {name: headline(part) for name, part in parts.items()},
    }


def origin(checkpoint: Path, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return where the weights of a checkpoint come from; `state` is what it holds."""
    training = state['training']
    return {
        'tool_version': version('panoptic_perception'),
        'checkpoint_sha256': file_sha256(checkpoint),
        'data': [Path(training[k]).name for k in ('data', 'synthetic') if training[k]],
        'warm_start': Path(training['warm_start']).name,
        'epochs': state['epoch'],
        'steps': state['step'],
        'holdout_groups': training['holdout_groups'],
        **{k: v for k, v in state.get('provenance', {}).items() if k == 'compression'},
    }


def parity_images(data: RoadData, input_wh: tuple[int, int]) -> list[np.ndarray]:
    """
    Return at most `PARITY_IMAGES` letterboxed images (H, W, 3), uint8, evenly spread over val.

    Raises:
        DatasetError: None of them can be read.
    """
    names = data.names('val')
    count = min(PARITY_IMAGES, len(names))
    names = [names[i * len(names) // count] for i in range(count)]
    images = [
        Letterbox((s.image.shape[1], s.image.shape[0]), input_wh).image(s.image)
        for s in read_samples(data, 'val', Problems(count, limit=1), names=names)
    ]
    if not images:
        raise DatasetError(
            f"'{data.root}': none of {count} images of split 'val' can be read, but the file is "
            'to be compared on them; see `model_tools data check`',
            kind='no_images',
        )
    return images
