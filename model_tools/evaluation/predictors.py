# SPDX-License-Identifier: Apache-2.0
"""What can be scored: a model file, a checkpoint, or the folder that `panoptic run` wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from model_tools.data.problems import DatasetError
from model_tools.evaluation.prediction import TASKS, Prediction, Predictor
from model_tools.evaluation.protocol import Protocol
from model_tools.export.suppression import MAX_BOXES, NMS_IOU, SCORE_FLOOR
from panoptic_perception.core.results import Thresholds
from panoptic_perception.engines import Engine, load_engine, read_model
from panoptic_perception.runtime.perceiver import Perceiver


class PredictorError(ValueError):
    """What was given to be scored is none of the things that can be."""


def make_predictors(
    path: Path,
    protocols: Sequence[Protocol],
    *,
    threads: int = 0,
    precision: str = 'auto',
    input_wh: tuple[int, int] | None = None,
) -> list[tuple[Predictor, list[Protocol]]]:
    """
    Return what answers the images for each protocol, with the protocols that share it.

    `threads` and `precision` are those of a model file, `input_wh` replaces the size that a
    checkpoint was trained at.
    """
    if precision != 'auto' and path.suffix != '.onnx':
        raise PredictorError(f"'{path}': only a model file runs in another precision than its own")
    if input_wh and (path.is_dir() or path.suffix == '.onnx'):
        raise PredictorError(
            f"'{path}': only a checkpoint can be given another input size; model files are made "
            'for one by `model_tools export --input`'
        )
    if path.is_dir():
        return [(RunFolderPredictor(path), list(protocols))]
    if path.suffix == '.onnx' or not path.exists():
        return [(ModelFilePredictor(path, threads=threads, precision=precision), list(protocols))]
    from model_tools.evaluation.checkpoint_engine import CheckpointEngine

    shared: dict[tuple, list[Protocol]] = {}
    for p in protocols:
        shared.setdefault((p.geometry, p.score_floor, p.nms_iou, p.max_boxes), []).append(p)
    found: list[tuple[Predictor, list[Protocol]]] = []
    for (geometry, floor, asked_iou, most), group in shared.items():
        stretched = geometry.startswith('stretch')
        # Queries need no suppression; the cells of a dense head do.
        iou = NMS_IOU if asked_iou == 1 else asked_iou
        engine = CheckpointEngine(
            path,
            input_wh=(640, 640) if stretched else input_wh,
            score_floor=floor,
            nms_iou=iou,
            max_boxes=most,
        )
        predictor = EnginePredictor(
            engine, kind='checkpoint', stretched=stretched, fixed={'nms_iou': iou}
        )
        found.append((predictor, group))
    return found


class EnginePredictor:
    """The vehicle's own way from image to answer, on any engine."""

    def __init__(
        self, engine: Engine, *, kind: str, stretched: bool, fixed: dict[str, Any]
    ) -> None:
        thresholds = engine.model.thresholds
        self.labels = engine.model.labels
        self.tasks: frozenset[str] = frozenset(TASKS)
        self.engine = engine
        self._kind = kind
        self._stretched = stretched
        self._fixed = fixed
        self._perceiver = Perceiver(
            engine, thresholds=Thresholds(0.0, thresholds.drivable, thresholds.lane)
        )

    def __call__(self, image: np.ndarray, name: str) -> Prediction:
        """Answer an (H, W, 3) uint8 BGR image."""
        shown = cv2.resize(image, self.engine.model.input_wh) if self._stretched else image
        result = self._perceiver(shown)
        found = result.detections
        gain = np.array(image.shape[1::-1], np.float32) / np.array(shown.shape[1::-1], np.float32)
        return Prediction(
            boxes=found.boxes * np.tile(gain, 2),
            scores=found.scores,
            labels=found.labels,
            drivable=result.drivable_probability,
            lane=result.lane_probability,
        )

    def describe(self) -> dict[str, Any]:
        """Return kind, name, hash, input, thresholds, engine and the settings that are fixed."""
        model = self.engine.model
        width, height = model.input_wh
        return {
            'kind': self._kind,
            'name': model.path.name,
            'sha256': model.sha256,
            'labels': list(model.labels),
            'input': f'{"stretch" if self._stretched else "letterbox"} {width}x{height}',
            'thresholds': asdict(model.thresholds),
            'engine': asdict(self.engine.info),
            'fixed': {
                'geometry': f'{"stretch" if self._stretched else "letterbox"} {width}x{height}',
                **self._fixed,
            },
        }


class ModelFilePredictor(EnginePredictor):
    """A model file of the contract, in the engine whose figures every machine can repeat.

    That is ONNX Runtime, but for 8 bits or another precision than the file's, where it is the one
    that a vehicle takes by itself: engines round other sums to other levels.
    """

    def __init__(self, path: Path, *, threads: int = 0, precision: str = 'auto') -> None:
        exact = read_model(path).precision == 'fp32' and precision == 'auto'
        engine = 'onnxruntime' if exact else 'auto'
        loaded = load_engine(path, engine=engine, threads=threads, precision=precision)
        fixed = _graph_settings(loaded.model.labels)
        super().__init__(loaded, kind='model file', stretched=False, fixed=fixed)


class RunFolderPredictor:
    """The files that `panoptic run` wrote: what the vehicle saw."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._summary = _read_summary(folder)
        saved = self._summary['saved']
        self.labels = tuple(self._summary['model']['labels'])
        self.tasks: frozenset[str] = frozenset(
            (('detection',) if 'json' in saved else ())
            + (('drivable', 'lane') if 'masks' in saved else ())
        )
        if not self.tasks:
            raise PredictorError(
                f"'{folder}': expected boxes or masks, found none: run `panoptic run` with "
                '--save json,masks'
            )

    def __call__(self, image: np.ndarray, name: str) -> Prediction:
        """Return what was written for the image of that name."""
        height, width = image.shape[:2]
        has_boxes, has_masks = 'detection' in self.tasks, 'lane' in self.tasks
        found = self._detections(name, (width, height)) if has_boxes else _box_arrays([], ())
        return Prediction(
            *found,
            drivable=self._mask(f'{name}.drivable.png', (width, height)) if has_masks else None,
            lane=self._mask(f'{name}.lane.png', (width, height)) if has_masks else None,
        )

    def describe(self) -> dict[str, Any]:
        """Return kind, name, the hash of the model that wrote the folder, and its thresholds."""
        model = self._summary['model']
        thresholds = model['thresholds']
        return {
            'kind': 'run folder',
            'name': self._folder.resolve().name,
            'sha256': model['sha256'],
            'labels': list(self.labels),
            'input': 'as written',
            'thresholds': thresholds,
            'engine': self._summary['engine'],
            'fixed': {
                'geometry': 'as written',
                **_graph_settings(self.labels),
                'score_floor': thresholds['score'],
                'drivable_threshold': thresholds['drivable'],
                'lane_threshold': thresholds['lane'],
            },
        }

    def _detections(
        self, name: str, wh: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        path = self._folder / f'{name}.json'
        try:
            record = json.loads(path.read_bytes())
            result_wh = (record['width'], record['height'])
            found = _box_arrays(record['detections'], self.labels)
        except (OSError, ValueError, KeyError, TypeError) as error:
            found_instead = error.strerror if isinstance(error, OSError) else repr(error)
            raise DatasetError(
                f"'{path}': expected the JSON file that `panoptic run` writes for the image "
                f'{name!r}, found: {found_instead}; run it on the images of this split',
                kind='missing_result',
            ) from error
        if result_wh != wh:
            raise DatasetError(
                f"'{path}': expected the result of an image of {wh[0]}x{wh[1]}, found "
                f'{result_wh[0]}x{result_wh[1]}: it belongs to another image',
                kind='wrong_size',
            )
        return found

    def _mask(self, file: str, wh: tuple[int, int]) -> np.ndarray:
        path = self._folder / file
        mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if mask is None or mask.shape[::-1] != wh:
            found = 'none' if mask is None else f'{mask.shape[1]}x{mask.shape[0]}'
            raise DatasetError(
                f"'{path}': expected a mask of {wh[0]}x{wh[1]}, found {found}: run `panoptic run` "
                'on the images of this split',
                kind='missing_result',
            )
        return mask


def _box_arrays(
    items: Sequence[Mapping[str, Any]], labels: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return boxes, scores and labels of a result file; ValueError for what `run` never writes."""
    boxes = np.array([item['box'] for item in items], np.float32).reshape(len(items), 4)
    scores = np.array([item['score'] for item in items], np.float32)
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise ValueError('a box or score that is not finite')
    if unknown := {item['label'] for item in items} - {*labels}:
        raise ValueError(f'labels {sorted(unknown)} that the model lacks')
    return boxes, scores, np.array([labels.index(item['label']) for item in items], np.int64)


def _graph_settings(labels: Sequence[str]) -> dict[str, Any]:
    """Return the settings that the graph of our model files decides: it shares boxes equally."""
    most = MAX_BOXES // max(1, len(labels))
    return {'score_floor': SCORE_FLOOR, 'nms_iou': NMS_IOU, 'max_boxes': most}


def _read_summary(folder: Path) -> dict[str, Any]:
    path = folder / 'summary.json'
    try:
        summary = json.loads(path.read_bytes())
        summary['saved'], summary['engine'], summary['model']['sha256']
        summary['model']['labels'], summary['model']['thresholds']['score']
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PredictorError(
            f"'{path}': expected the summary of a finished `panoptic run`, found: "
            f'{type(error).__name__} {error}'
        ) from error
    return summary
