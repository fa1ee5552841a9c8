# SPDX-License-Identifier: Apache-2.0
"""Make an 8 bit model file of a float32 one, past a gate for every task."""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
from tqdm import tqdm

from model_tools.compression.gate import GateError, fallen, flat_scores, task_of
from model_tools.compression.quantization.agreement import Agreement, compare_files
from model_tools.compression.quantization.calibration import calibration_images, survey
from model_tools.compression.quantization.equalization import equalized
from model_tools.compression.quantization.graph import (
    QuantizationError,
    network_parts,
    quantize_graph,
)
from model_tools.compression.task_losses import TASKS
from model_tools.data.problems import DatasetError
from model_tools.data.readers import RoadData
from model_tools.data.subset import Subset
from model_tools.evaluation.evaluate import evaluate
from model_tools.evaluation.headline import headline
from model_tools.evaluation.predictors import ModelFilePredictor
from model_tools.evaluation.protocol import PROTOCOLS
from model_tools.export.model_file import amend_model_file
from model_tools.export.release import file_metrics, parity_images
from panoptic_perception.engines import ModelInfo, read_model

PROTOCOL = PROTOCOLS['dataset']
SEARCH_IMAGES = 60
"""Of those that ranges are measured on: enough to tell by turns which part costs most."""


@dataclass(frozen=True)
class Quantized:
    """What became of a file."""

    in_float: tuple[str, ...]
    """Parts that stay in float32 beside the last layers."""
    reference: Mapping[str, float]
    """Scores of the float32 file on the hold-out."""
    found: Mapping[str, float]
    """Those of the 8 bit file."""
    agreement: Agreement
    """Of both files' answers on val."""


def quantize(
    source: Path,
    data: RoadData,
    out: Path,
    *,
    images: int = 300,
    in_float: Sequence[str] = (),
    allowed_fall: float = 0.01,
    max_skipped: float = 0.01,
) -> Quantized:
    """
    Write `out` if no score on the hold-out falls by more than `allowed_fall`.

    The parts `in_float` stay in float32. If a score falls all the same, every other part is left
    so by turns, with ranges of `SEARCH_IMAGES`, to see which of them costs most; these are then
    added one after the other until the gate is passed. Files in 8 bits are scored in the engine
    that a vehicle takes for them. Val is scored at the end, for the file, and the answers of both
    are compared on some images of it.

    Raises:
        QuantizationError: `source` is no float32 file of `model_tools export` for these labels, or
            has no part of a name.
        DatasetError: The data lack a group that was held out, other images, or val.
        GateError: The file names no groups that were held out, they do not label every task, or
            the gate is passed by no choice of parts; nothing is written.

    """
    if out.suffix != '.onnx' or out.is_dir() or out.resolve() == source.resolve():
        raise ValueError(f"'{out}': expected the name of another .onnx file to write")
    if images < 1 or not 0 <= allowed_fall <= 1:
        raise ValueError(
            f'expected at least 1 image and 0 to 1 as allowed fall, found {images} and '
            f'{allowed_fall}'
        )
    info, model = read_model(source), onnx.load(source)
    groups = _check(info, data)
    parts = network_parts(model)  # refuses other files before the images are read
    if unknown := [part for part in in_float if part not in parts]:
        raise QuantizationError(f"'{source}': has no parts {unknown}; it has {list(parts)}")
    attempt = _Attempts(info, model, data, groups, images, max_skipped)
    reference = attempt.score(source)
    if missing := sorted(set(TASKS) - {task_of(name) for name in reference}):
        raise GateError(
            f"'{data.root}': no image of groups {groups} labels {missing}, so nothing can say "
            'what 8 bits cost there: hold out others'
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{out.name}.', dir=out.parent) as folder:
        candidate = Path(folder) / out.name
        left, found = _pass_gate(attempt, candidate, tuple(in_float), reference, allowed_fall)
        agreement = compare_files(source, candidate, parity_images(data, info.input_wh))
        provenance = {
            **info.provenance,
            'quantization': {
                'source_sha256': info.sha256,
                'nncf': version('nncf'),
                'images': len(attempt.images),
                'in_float': list(left),
                'holdout': {'fp32': dict(reference), 'int8': dict(found)},
                'agreement': asdict(agreement),
            },
        }
        record = evaluate(
            ModelFilePredictor(candidate), data, 'val', [PROTOCOL], max_skipped=max_skipped
        ).record()
        metrics = file_metrics(record, PROTOCOL)
        amend_model_file(candidate, provenance=provenance, metrics=metrics)
        candidate.replace(out)
    return Quantized(left, reference, found, agreement)


def _check(info: ModelInfo, data: RoadData) -> list[str]:
    """Return the groups that were held out of the training of a file that can be quantised."""
    if info.precision != 'fp32':
        raise QuantizationError(f"'{info.path}': expected a file in fp32, found {info.precision}")
    if info.labels != data.settings.labels.names:
        raise QuantizationError(
            f"'{info.path}': finds {list(info.labels)}, the label set has "
            f'{list(data.settings.labels.names)}: give --labels of its training'
        )
    if not data.names('val'):
        raise DatasetError(f"'{data.root}': no images of split 'val', on which the file is scored")
    groups = info.provenance.get('holdout_groups') or []
    if not groups:
        raise GateError(
            f"'{info.path}': names no group that was held out of its training, so nothing can say "
            'what 8 bits cost: train with holdout_groups'
        )
    return list(groups)


def _pass_gate(
    attempt: _Attempts,
    candidate: Path,
    in_float: tuple[str, ...],
    reference: Mapping[str, float],
    allowed: float,
) -> tuple[tuple[str, ...], dict[str, float]]:
    """Write a candidate that passes; return its parts in float32, from `in_float`, and scores."""
    found = attempt.make(candidate, in_float)
    if not fallen(reference, found, allowed=allowed):
        return in_float, found
    parts = [part for part in network_parts(attempt.model) if part not in in_float]
    print(f'8 bits cost {_told(reference, found, allowed)}: looking for why', file=sys.stderr)
    falls = {
        part: _worst(reference, attempt.make(candidate, (*in_float, part), count=SEARCH_IMAGES))
        for part in tqdm(parts, desc='leave in float', unit='part', disable=None)
    }
    for part in sorted(parts, key=falls.__getitem__)[:-1]:
        in_float = (*in_float, part)
        found = attempt.make(candidate, in_float)
        if not fallen(reference, found, allowed=allowed):
            return in_float, found
    raise GateError(
        f"'{attempt.info.path}': in 8 bits it loses {_told(reference, found, allowed)} on the "
        f'hold-out, and {allowed} may be lost, even with all parts but one in float; allow more, '
        'or tune the network, with ReLU, for 8 bits: model_tools train --config config/int8.yaml'
    )


class _Attempts:
    """Makes 8 bit files of one source, and scores them on the groups that were held out."""

    def __init__(
        self,
        info: ModelInfo,
        model: onnx.ModelProto,
        data: RoadData,
        groups: Collection[str],
        images: int,
        max_skipped: float,
    ) -> None:
        self.info = info
        self._max_skipped = max_skipped
        scenes, spared = survey(data, groups, max_skipped=max_skipped)
        self._holdout = Subset(data, 'train', spared)
        self.images: list[np.ndarray] = calibration_images(data, scenes, images, info.input_wh)
        self.model = equalized(model, self.images)

    def make(
        self, path: Path, in_float: Collection[str], *, count: int | None = None
    ) -> dict[str, float]:
        """Write a file of which some parts are in float32; return its scores.

        Ranges are measured on all images, or on at most `count` of them.
        """
        step = math.ceil(len(self.images) / count) if count else 1
        model = quantize_graph(self.model, self.images[::step], in_float=in_float)
        entries = {e.key: e.value for e in model.metadata_props}
        entries['panoptic.precision'] = json.dumps('int8')
        onnx.helper.set_model_props(model, entries)
        path.write_bytes(model.SerializeToString())
        return self.score(path)

    def score(self, path: Path) -> dict[str, float]:
        """Return the scores of a file on the hold-out."""
        record = evaluate(
            ModelFilePredictor(path),
            self._holdout,
            'train',
            [PROTOCOL],
            max_skipped=self._max_skipped,
        ).record()
        return flat_scores(headline(record['protocols'][PROTOCOL.name]['all']))


def _worst(reference: Mapping[str, float], found: Mapping[str, float]) -> float:
    """Return the largest fall of a score."""
    return max(fallen(reference, found, allowed=-2.0).values())


def _told(reference: Mapping[str, float], found: Mapping[str, float], allowed: float) -> str:
    falls = fallen(reference, found, allowed=allowed)
    return ', '.join(f'{name} by {fall:.3f}' for name, fall in falls.items())
