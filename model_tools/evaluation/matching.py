# SPDX-License-Identifier: Apache-2.0
"""Decide which found boxes hit a labelled one: the matching rules of the literature.

Boxes to ignore neither help nor hurt under any rule: a detection that falls on one of them, and
hits nothing else, is left out, and so is the box itself.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

MatchRule = Literal['best_gt_strict', 'best_gt', 'coco']

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)


def box_overlap(found: np.ndarray, truth: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Return the (D, G) IoU of boxes x1 y1 x2 y2, for crowd regions the share of the found box.

    The share (intersection over area of the found box) is COCO's rule for `iscrowd`: a region may
    be much larger than what lies in it. Boxes without area overlap nothing.
    """
    low = np.maximum(found[:, None, :2], truth[None, :, :2])
    high = np.minimum(found[:, None, 2:], truth[None, :, 2:])
    intersection = np.maximum(high - low, 0.0).prod(2)
    found_area = (found[:, 2:] - found[:, :2]).prod(1)[:, None]
    truth_area = (truth[:, 2:] - truth[:, :2]).prod(1)[None]
    whole = np.where(crowd, found_area, found_area + truth_area - intersection)
    return np.divide(intersection, whole, out=np.zeros_like(intersection), where=intersection > 0)


def match_boxes(
    overlap: np.ndarray,
    *,
    crowd: np.ndarray,
    ignored: np.ndarray,
    thresholds: np.ndarray,
    rule: MatchRule,
) -> tuple[np.ndarray, np.ndarray]:
    """Match the detections of one image and label, once for each pair of threshold and ignores.

    Args:
        overlap: (D, G) overlaps as of `box_overlap`, detections in order of falling score.
        crowd: (G,) bool, regions that may hold any number of detections.
        ignored: (M, G) bool, labelled boxes to ignore in each of M matchings; with the crowd.
        thresholds: (M,) overlap that makes a match in each of them, at least 0.5.
        rule: `best_gt_strict` as in hustvl/YOLOP:lib/core/function.py (`validate`): a detection
            has only its best labelled box, IoU above the threshold. A box goes to its most
            confident detection at 0.5, which alone can hit it at the higher thresholds.
            `best_gt` as in JiayuanWang-JW/RMT-PPAD:ultralytics/engine/validator.py
            (`match_predictions`): the same with IoU equal to the threshold or above, and the box
            goes to the most confident detection of each threshold.
            `coco` as in cocodataset/cocoapi:PythonAPI/pycocotools/cocoeval.py (`evaluateImg`):
            a detection takes the best box that is free, one that counts before one to ignore.
            The published `best_gt` rules know no ignores. Here they match as if the ignored
            boxes were not there; a detection that did not hit is left out if it fits one of them.

    Returns:
        Two (D, M) bool arrays: the detection hits; it is left out for falling on an ignored box.
    """
    hit = np.zeros((len(overlap), len(thresholds)), bool)
    left_out = hit.copy()
    # Most detections are nowhere near a labelled box, or near a single one: the rest is skipped.
    rows = np.flatnonzero((overlap >= IOU_THRESHOLDS[0]).any(1))
    if rows.size:
        if rule == 'coco':
            near = _take_free(overlap[rows], crowd, ignored, thresholds)
        else:
            near = _take_best(overlap[rows], ignored, thresholds, strict=rule == 'best_gt_strict')
        hit[rows], left_out[rows] = near
    return hit, left_out


def _take_best(
    overlap: np.ndarray, ignored: np.ndarray, thresholds: np.ndarray, *, strict: bool
) -> tuple[np.ndarray, np.ndarray]:
    above = np.greater if strict else np.greater_equal
    limit = thresholds[:, None]
    counted = np.where(ignored[:, None], -1.0, overlap)  # (M, D, G)
    best, value = counted.argmax(2), counted.max(2)
    matching, detection = np.nonzero(above(value, IOU_THRESHOLDS[0] if strict else limit))
    box = matching * overlap.shape[1] + best[matching, detection]
    # Indices run through the detections by confidence: the first to name a box owns it.
    owner = np.unique(box, return_index=True)[1]
    hit = np.zeros(value.shape, bool)
    hit[matching[owner], detection[owner]] = True
    hit &= above(value, limit)
    spared = np.where(ignored[:, None], overlap, -1.0).max(2)
    return hit.T, (~hit & above(spared, limit)).T


def _take_free(
    overlap: np.ndarray, crowd: np.ndarray, ignored: np.ndarray, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    # Of equal overlaps COCO takes the last box, argmax the first.
    overlap, crowd, ignored = overlap[:, ::-1], crowd[::-1], ignored[:, ::-1]
    matched = np.zeros((len(overlap), len(thresholds)), bool)
    on_ignored = matched.copy()
    free = np.ones(ignored.shape, bool)
    for d, row in enumerate(overlap):
        near = np.flatnonzero(row >= IOU_THRESHOLDS[0])
        fits = (row[near] >= thresholds[:, None]) & free[:, near]
        counted = fits & ~ignored[:, near]
        fits = np.where(counted.any(1, keepdims=True), counted, fits)
        best = near[np.where(fits, row[near], -1.0).argmax(1)]
        m = np.flatnonzero(fits.any(1))
        matched[d, m] = True
        on_ignored[d, m] = ignored[m, best[m]]
        free[m, best[m]] = crowd[best[m]]
    return matched & ~on_ignored, on_ignored
