# SPDX-License-Identifier: Apache-2.0
"""Counts of one protocol over a split: kept by image, so that any slice is read from them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from model_tools.data.sample import Sample
from model_tools.evaluation.detection import BoxResult, BoxTruth, DetectionCounts
from model_tools.evaluation.grids import dilate_lane, label_on_grid, plane_on_grid
from model_tools.evaluation.lane_distance import LaneDistanceCounts
from model_tools.evaluation.prediction import Prediction, Task
from model_tools.evaluation.protocol import Protocol, ProtocolError
from model_tools.evaluation.segmentation import BANDS, MaskCounts, lowest_level, mask_scores

PUBLISHED_DILATION = 7
"""Square that turns a 2 px line into the 8 px of the training labels."""


class ProtocolCounts:
    """What a predictor got right, image by image, in the sense of one protocol."""

    def __init__(
        self,
        protocol: Protocol,
        *,
        truth_labels: Sequence[str],
        found_labels: Sequence[str],
        tasks: frozenset[str],
    ) -> None:
        self.protocol = protocol
        wanted = protocol.labels or tuple(truth_labels)
        if unknown := [label for label in wanted if label not in truth_labels]:
            raise ProtocolError(
                f'protocol {protocol.name!r} scores the labels {unknown}, but the label set has '
                f'only {list(truth_labels)}'
            )
        # A label that the predictor never gives has no score, as a task that it lacks.
        self.labels = tuple(label for label in wanted if label in found_labels)
        if not self.labels and 'detection' in tasks:
            raise ProtocolError(
                f'protocol {protocol.name!r} scores the labels {list(wanted)}, but the predictor '
                f'gives only {list(found_labels)}: choose another label set'
            )
        self._tasks = tasks
        self._truth_index = _positions(truth_labels, self.labels)
        self._found_index = _positions(found_labels, self.labels)
        self.detection = DetectionCounts(
            self.labels,
            match=protocol.match,
            min_height=protocol.min_box_height,
            max_boxes=protocol.max_boxes,
        )
        self.drivable, self.direct = MaskCounts(), MaskCounts()
        self.lane, self.dilated = MaskCounts(), MaskCounts()
        self.distance = LaneDistanceCounts()

    @property
    def is_whole(self) -> bool:
        """Whether one matrix holds the whole split: only then the further scores make sense."""
        return self.protocol.average == 'dataset'

    def add(self, sample: Sample, prediction: Prediction) -> None:
        """Count one image."""
        self._add_boxes(sample, prediction)
        wh = (sample.image.shape[1], sample.image.shape[0])
        self._add_mask(self.drivable, self.mask(sample, 'drivable'), prediction.drivable, wh)
        if self.is_whole:
            self._add_mask(self.direct, sample.drivable_direct, prediction.drivable, wh)
        self._add_lane(sample.lane, prediction.lane, wh)

    def labelled(self, task: Task) -> np.ndarray:
        """Return the images whose labels of a task were scored, (n,) bool."""
        if task == 'detection':
            return self.detection.labelled
        return (self.drivable if task == 'drivable' else self.lane).labelled

    def mask(self, sample: Sample, task: Task) -> np.ndarray | None:
        """Return the labelled mask that the protocol compares, at source size."""
        if task == 'drivable':
            direct = self.protocol.drivable == 'direct'
            return sample.drivable_direct if direct else sample.drivable
        return sample.lane

    def boxes(self, sample: Sample, prediction: Prediction) -> tuple[BoxTruth, BoxResult]:
        """Return the labelled and the found boxes that the protocol compares, in its labels."""
        truth = self._truth_index[sample.labels]
        found = self._found_index[prediction.labels]
        known = truth >= 0
        kept = (found >= 0) & (prediction.scores >= self.protocol.score_floor)
        return (
            BoxTruth(sample.boxes[known], truth[known], sample.crowd[known]),
            BoxResult(prediction.boxes[kept], prediction.scores[kept], found[kept]),
        )

    def scores(self, images: np.ndarray) -> dict[str, Any]:
        """Return all scores of some images, given as (n,) bool."""
        return {
            'images': int(images.sum()),
            'detection': self._detection_scores(images),
            'drivable': self._drivable_scores(images),
            'lane': self._lane_scores(images),
        }

    def curves(self, *, decided: Collection[str] = ()) -> dict[str, Any]:
        """Return what the plots of a report show, over all images.

        Masks of the tasks in `decided` hold no probabilities, so there is nothing to vary.
        """
        masks = {
            task: counts
            for task, counts in (('drivable', self.drivable), ('lane', self.lane))
            if task not in decided and counts.labelled.any()
        }
        boxes = self.detection.labelled.any()
        return {
            'precision_recall': self.detection.curves() if boxes else {},
            'calibration': {
                **(self.detection.calibration() if boxes else {}),
                **{task: counts.calibration() for task, counts in masks.items()},
            },
            'sweep': {task: counts.sweep() for task, counts in masks.items()},
        }

    def threshold(self, task: str) -> float:
        """Return the mask threshold of a task."""
        value = getattr(self.protocol, f'{task}_threshold')
        return 0.5 if value is None else value

    def _add_boxes(self, sample: Sample, prediction: Prediction) -> None:
        if sample.boxes_complete and 'detection' in self._tasks:
            self.detection.add(*self.boxes(sample, prediction))
        else:
            self.detection.add_missing()

    def _add_lane(
        self, label: np.ndarray | None, plane: np.ndarray | None, wh: tuple[int, int]
    ) -> None:
        if label is None or plane is None:
            self.lane.add_missing()
            self.dilated.add_missing()
            self.distance.add_missing()
            return
        wide = dilate_lane(label, self.protocol.lane_dilate)
        self._add_mask(self.lane, wide, plane, wh)
        if self.is_whole:
            self._add_mask(self.dilated, dilate_lane(label, PUBLISHED_DILATION), plane, wh)
            found = plane_on_grid(plane, wh, 'native')
            self.distance.add(label, found >= lowest_level(self.threshold('lane')))

    def _add_mask(
        self,
        counts: MaskCounts,
        label: np.ndarray | None,
        plane: np.ndarray | None,
        wh: tuple[int, int],
    ) -> None:
        if label is None or plane is None:
            counts.add_missing()
            return
        grid, resize = self.protocol.mask_grid, self.protocol.mask_resize
        counts.add(label_on_grid(label, grid, resize=resize), plane_on_grid(plane, wh, grid))

    def _detection_scores(self, images: np.ndarray) -> dict[str, Any] | None:
        if not (images & self.detection.labelled).any():
            return None
        return self.detection.scores(self.protocol.ap, images)

    def _drivable_scores(self, images: np.ndarray) -> dict[str, Any] | None:
        scores = self._mask_scores(self.drivable, 'drivable', images)
        if scores is not None and self.is_whole and (images & self.direct.labelled).any():
            scores['direct'] = self._plain_scores(self.direct, 'drivable', images)
        return scores

    def _lane_scores(self, images: np.ndarray) -> dict[str, Any] | None:
        scores = self._mask_scores(self.lane, 'lane', images)
        if scores is None or not self.is_whole:
            return scores
        bands = {
            name: mask_scores(
                self.lane.confusion(self.threshold('lane'), images=images, band=band),
                average='dataset',
                absent='skip',
            )['iou']
            for band, name in enumerate(BANDS)
        }
        return {
            **scores,
            'tolerance': {**self.distance.scores(images), 'px': self.distance.tolerance_px},
            'bands': bands,
            'dilated': self._plain_scores(self.dilated, 'lane', images),
        }

    def _mask_scores(
        self, counts: MaskCounts, task: str, images: np.ndarray
    ) -> dict[str, Any] | None:
        labelled = int((images & counts.labelled).sum())
        if not labelled:
            return None
        return {
            'images': labelled,
            'threshold': self.threshold(task),
            **self._plain_scores(counts, task, images),
        }

    def _plain_scores(self, counts: MaskCounts, task: str, images: np.ndarray) -> dict[str, Any]:
        confusion = counts.confusion(self.threshold(task), images=images)
        protocol = self.protocol
        return mask_scores(confusion, average=protocol.average, absent=protocol.absent)


def _positions(names: Sequence[str], within: Sequence[str]) -> np.ndarray:
    """Return for each name its index in `within`, -1 if it is not there."""
    return np.array([within.index(n) if n in within else -1 for n in names], np.int64)
