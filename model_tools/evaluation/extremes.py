# SPDX-License-Identifier: Apache-2.0
"""The images that a predictor answers best and worst, drawn for the report."""

from __future__ import annotations

import numpy as np

from model_tools.data.problems import Problems
from model_tools.data.readers import RoadData
from model_tools.data.sample import Sample
from model_tools.evaluation.counts import ProtocolCounts
from model_tools.evaluation.evaluate import Evaluation
from model_tools.evaluation.grids import plane_on_grid
from model_tools.evaluation.prediction import TASKS, Prediction, Predictor, Task
from model_tools.evaluation.report.tiles import Kind, Tile, draw_detection_tile, draw_mask_tile
from model_tools.evaluation.segmentation import lowest_level

TILES = 4
LEAST_LABELLED = 1e-3
"""Share of an image's known pixels that must be labelled: the IoU of specks says nothing."""


def extreme_tiles(evaluation: Evaluation, predictor: Predictor, data: RoadData) -> list[Tile]:
    """Return drawings of the best and the worst images of each task, by the first protocol."""
    counts = evaluation.counts[0]
    score = float(evaluation.model.get('thresholds', {}).get('score', 0.25))
    problems = Problems(len(evaluation.names))
    tiles = []
    for task in TASKS:
        values = image_scores(counts, task, score)
        known = np.flatnonzero(~np.isnan(values))
        order = known[np.argsort(values[known], kind='stable')]
        worst, best = order[:TILES], order[TILES:][-TILES:][::-1]
        chosen: list[tuple[Kind, int]] = [('best', i) for i in best] + [
            ('worst', i) for i in worst
        ]
        for kind, index in chosen:
            sample = data.read(evaluation.data['split'], evaluation.names[index], problems)
            prediction = predictor(sample.image, sample.name)
            picture = _draw(task, counts, sample, prediction, score)
            tiles.append(Tile(task, kind, sample.name, float(values[index]), picture))
    return tiles


def image_scores(counts: ProtocolCounts, task: Task, score: float) -> np.ndarray:
    """Return each image's F1 at a score, or IoU; NaN where there is nothing to find."""
    if task == 'detection':
        labelled = counts.detection.labelled
        if not labelled.any():
            return np.full(len(labelled), np.nan)
        return counts.detection.image_f1(score)
    masks = counts.drivable if task == 'drivable' else counts.lane
    labelled = masks.levels.sum(axis=(1, 3))
    enough = labelled[:, 1] > LEAST_LABELLED * labelled.sum(axis=1)
    return np.where(enough, masks.image_iou(counts.threshold(task)), np.nan)


def _draw(
    task: Task, counts: ProtocolCounts, sample: Sample, prediction: Prediction, score: float
) -> np.ndarray:
    if task == 'detection':
        truth, boxes = counts.boxes(sample, prediction)
        height = counts.protocol.min_box_height
        return draw_detection_tile(
            sample.image, truth, boxes, score, counts.labels, min_height=height
        )
    label, plane = counts.mask(sample, task), getattr(prediction, task)
    assert label is not None  # only labelled images have a score
    source_wh = (sample.image.shape[1], sample.image.shape[0])
    found = plane_on_grid(plane, source_wh, 'native') >= lowest_level(counts.threshold(task))
    return draw_mask_tile(sample.image, label, found)
