# SPDX-License-Identifier: Apache-2.0
"""How far the answers of two model files are from each other, as a vehicle would see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from model_tools.evaluation.matching import box_overlap
from panoptic_perception.core.results import Thresholds
from panoptic_perception.engines import NetworkOutput, load_engine


@dataclass(frozen=True)
class Agreement:
    """What two files say alike of the same images; IoUs are 0..1, None where neither finds any."""

    images: int
    boxes: int
    """Of both files together, from the threshold on."""
    median_box_iou: float | None
    """Of each box of either file with the best of its label in the other; 0 without any."""
    low_box_iou: float | None
    """The 5th percentile of the same."""
    drivable_iou: float | None
    """Of the masks of all images together."""
    lane_iou: float | None

    def __str__(self) -> str:
        box, low, drivable, lane = (
            'none' if iou is None else f'{iou:.3f}'
            for iou in (self.median_box_iou, self.low_box_iou, self.drivable_iou, self.lane_iou)
        )
        return (
            f'IoU with float32 on {self.images} images of val: {self.boxes} boxes {box} (median) '
            f'and {low} (5th percentile), drivable area {drivable}, lane lines {lane}'
        )


def compare_files(exact: Path, other: Path, images: Sequence[np.ndarray]) -> Agreement:
    """
    Compare a file with the float32 one that it was made of, at the thresholds of that one.

    Args:
        exact: Runs in ONNX Runtime.
        other: Runs in the engine that a vehicle takes for it.
        images: Letterboxed, (H, W, 3), uint8.
    """
    engines = load_engine(exact, engine='onnxruntime'), load_engine(other)
    bar = tqdm(images, desc='compare', unit='image', disable=None)
    answers = [[engine.run(image[None]) for engine in engines] for image in bar]
    return measure_agreement(
        [one for one, _ in answers], [two for _, two in answers], engines[0].model.thresholds
    )


def measure_agreement(
    one: Sequence[NetworkOutput], two: Sequence[NetworkOutput], thresholds: Thresholds
) -> Agreement:
    """Compare the answers of two networks to the same images, each a batch of one."""
    pairs = list(zip(one, two, strict=True))
    ious = np.concatenate(
        [np.empty(0), *(_box_ious(a, b, thresholds.score) for a, b in pairs)],
    )
    return Agreement(
        images=len(pairs),
        boxes=len(ious),
        median_box_iou=_quantile(ious, 0.5),
        low_box_iou=_quantile(ious, 0.05),
        drivable_iou=_mask_iou([(a.drivable, b.drivable) for a, b in pairs], thresholds.drivable),
        lane_iou=_mask_iou([(a.lane, b.lane) for a, b in pairs], thresholds.lane),
    )


def _box_ious(a: NetworkOutput, b: NetworkOutput, least: float) -> np.ndarray:
    """Return the best IoU of each box from a score on, those of `a` first, then those of `b`."""
    sure_a, sure_b = a.scores >= least, b.scores >= least
    boxes_a, boxes_b = a.boxes[sure_a], b.boxes[sure_b]
    overlap = box_overlap(boxes_a, boxes_b, np.zeros(len(boxes_b), bool))
    overlap = overlap * (a.labels[sure_a][:, None] == b.labels[sure_b])
    return np.concatenate([overlap.max(1, initial=0.0), overlap.max(0, initial=0.0)])


def _mask_iou(pairs: Sequence[tuple[np.ndarray, np.ndarray]], least: float) -> float | None:
    level = round(255 * least, 6)  # as a result does
    masks = [(a >= level, b >= level) for a, b in pairs]
    common = sum(int((a & b).sum()) for a, b in masks)
    whole = sum(int((a | b).sum()) for a, b in masks)
    return round(common / whole, 4) if whole else None


def _quantile(values: np.ndarray, share: float) -> float | None:
    return round(float(np.quantile(values, share)), 4) if len(values) else None
