# SPDX-License-Identifier: Apache-2.0
"""Score a model file on a split, through the same perceiver that runs on the vehicle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from model_tools.data.sample import LABELS, Sample
from model_tools.data.yolop_layout import DatasetError, list_names, read_sample
from model_tools.evaluation.detection import BoxResult, BoxTruth, average_precision
from model_tools.evaluation.segmentation import MaskCounts
from panoptic_perception.core.results import PanopticResult, Thresholds
from panoptic_perception.engines import load_engine
from panoptic_perception.runtime.perceiver import Perceiver

TASKS = ('drivable', 'lane')


class SplitScores:
    """Boxes and mask counts of a split, kept by source."""

    def __init__(self) -> None:
        self.truth: dict[str, list[BoxTruth]] = defaultdict(list)
        self.found: dict[str, list[BoxResult]] = defaultdict(list)
        self.masks: dict[tuple[str, str], MaskCounts] = defaultdict(MaskCounts)

    def add(self, sample: Sample, result: PanopticResult) -> None:
        """Count one image."""
        self.truth[sample.source].append(BoxTruth(sample.boxes, sample.labels, sample.crowd))
        found = result.detections
        self.found[sample.source].append(BoxResult(found.boxes, found.scores, found.labels))
        labels = {'drivable': sample.drivable, 'lane': sample.lane}
        planes = {'drivable': result.drivable_probability, 'lane': result.lane_probability}
        for task in TASKS:
            label = labels[task]
            if label is not None:
                plane = cv2.resize(planes[task], result.source_wh, interpolation=cv2.INTER_LINEAR)
                self.masks[sample.source, task].add(label, plane)

    def mask_counts(self, task: str, sources: Collection[str]) -> MaskCounts:
        """Return the sum of a task's counts over some sources."""
        total = MaskCounts()
        for source in sources:
            total.levels += self.masks[source, task].levels
        return total

    def detection(self, sources: Collection[str]) -> dict[str, Any]:
        """Return average precision by label over some sources."""
        truth = [t for s in sources for t in self.truth[s]]
        found = [f for s in sources for f in self.found[s]]
        return average_precision(truth, found, LABELS)

    def summary(self, thresholds: Thresholds) -> dict[str, Any]:
        """Return all scores, for each source and for all together."""
        sources = sorted(self.truth)
        return {
            name: {
                'images': sum(len(self.truth[s]) for s in group),
                'detection': self.detection(group),
                **{
                    f'{task}_iou': _rounded(
                        self.mask_counts(task, group).iou(getattr(thresholds, task))
                    )
                    for task in TASKS
                },
            }
            for name, group in [*((s, [s]) for s in sources), ('all', sources)]
        }


def score_split(
    model: Path, data: Path, split: str, *, groups: Collection[str] = ()
) -> SplitScores:
    """Run a model file over a split, or over some groups of it."""
    engine = load_engine(model)
    defaults = engine.model.thresholds
    perceiver = Perceiver(
        engine,
        thresholds=Thresholds(score=0.0, drivable=defaults.drivable, lane=defaults.lane),
    )
    scores = SplitScores()
    count = 0
    for name in tqdm(list_names(data, split), desc=f'score {split}', delay=3):
        sample = read_sample(data, split, name)
        if not groups or sample.group in groups:
            scores.add(sample, perceiver(sample.image))
            count += 1
    if not count:
        raise DatasetError(f"'{data}': no image of the groups {sorted(groups)} in split {split}")
    return scores


def choose_thresholds(scores: SplitScores) -> dict[str, float]:
    """Return the score of the best F1 (mean over labels) and each mask's threshold of best IoU."""
    sources = list(scores.truth)
    best = [d['best_f1_score'] for d in scores.detection(sources).values()]
    return {
        'score': round(float(np.mean([b for b in best if b is not None])), 2),
        **{task: scores.mask_counts(task, sources).best_threshold() for task in TASKS},
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
