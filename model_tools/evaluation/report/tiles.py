# SPDX-License-Identifier: Apache-2.0
"""Small pictures of what was labelled and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from model_tools.data.sample import IGNORE
from model_tools.evaluation.detection import BoxResult, BoxTruth
from model_tools.evaluation.matching import box_overlap, match_boxes
from model_tools.evaluation.prediction import Task

TILE_WIDTH = 480
IOU_OF_A_HIT = 0.5
TAGGED_WIDTH = 16
"""Pixels of the tile."""

Kind = Literal['best', 'worst']
Colour = tuple[int, int, int]

# Told apart by eyes that confuse red and green; all colours are BGR (after Okabe and Ito).
RIGHT: Colour = (233, 180, 86)
FALSE: Colour = (30, 120, 250)
MISSED: Colour = (66, 228, 240)
IGNORED: Colour = (160, 160, 160)
LEGENDS = {
    'detection': (
        ('found', RIGHT),
        ('false alarm', FALSE),
        ('missed', MISSED),
        ('ignored', IGNORED),
    ),
    'drivable': (('right', RIGHT), ('too much', FALSE), ('missed', MISSED), ('ignored', IGNORED)),
    'lane': (('right', RIGHT), ('too much', FALSE), ('missed', MISSED), ('ignored', IGNORED)),
}

_TINT = 0.7
_HATCH_STEP = 8
_DARK: Colour = (24, 24, 24)
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.34


@dataclass(frozen=True, eq=False)
class Tile:
    """A picture of the report, among the best or the worst of its task."""

    task: Task
    kind: Kind
    name: str
    score: float
    """F1 of boxes, IoU of a mask, of this image alone."""
    image: np.ndarray
    """(h, w, 3) uint8 BGR."""


def draw_detection_tile(
    image: np.ndarray,
    truth: BoxTruth,
    found: BoxResult,
    score_threshold: float,
    label_names: Sequence[str],
    *,
    min_height: float = 0.0,
) -> np.ndarray:
    """Draw labelled and found boxes over a BGR image, scaled to at most TILE_WIDTH.

    Boxes lower than `min_height` source pixels are ignored, as in the scores.
    """
    canvas, scale = _shrunk(image)
    ignored = truth.crowd | (_heights(truth.boxes) < min_height)
    for box in truth.boxes[ignored]:
        _hatch_box(canvas, box * scale)
    hit, spared, missed = _compare(truth, found, score_threshold, min_height)
    false = (found.scores >= score_threshold) & ~hit & ~spared
    boxes = {'hit': found.boxes[hit], 'missed': truth.boxes[missed], 'false': found.boxes[false]}
    for kind, colour in (('hit', RIGHT), ('missed', MISSED), ('false', FALSE)):
        for box in boxes[kind]:
            _outline(canvas, box * scale, colour)
    for box, label in zip(boxes['missed'], truth.labels[missed], strict=True):
        _tag(canvas, box * scale, MISSED, label_names[label])
    for box, label, score in zip(
        boxes['false'], found.labels[false], found.scores[false], strict=True
    ):
        _tag(canvas, box * scale, FALSE, f'{label_names[label]} {score:.2f}')
    return canvas


def draw_mask_tile(image: np.ndarray, label: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Tint a BGR image by where a mask is right or wrong, scaled to at most TILE_WIDTH.

    Args:
        image: (H, W, 3) uint8; it is shown in grey, so that only the tints have a colour.
        label: (h, w) uint8, 0, 255 or IGNORE.
        prediction: (h, w), 0 or anything else.
    """
    if label.shape != prediction.shape:
        raise ValueError(f'label of {label.shape} and prediction of {prediction.shape} differ')
    canvas, _ = _shrunk(image)
    canvas = cv2.cvtColor(cv2.cvtColor(canvas, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    positive, found, known = label == 255, prediction != 0, label != IGNORE
    _tint(canvas, ~known, IGNORED, hatched=True)
    _tint(canvas, positive & found, RIGHT)
    _tint(canvas, positive & ~found, MISSED)
    _tint(canvas, known & ~positive & found, FALSE)
    return canvas


def _compare(
    truth: BoxTruth, found: BoxResult, score_threshold: float, min_height: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which found boxes hit, which are left out, and which labelled ones were missed."""
    hit = np.zeros(len(found.boxes), bool)
    spared = _heights(found.boxes) < min_height
    ignored = truth.crowd | (_heights(truth.boxes) < min_height)
    missed = ~ignored
    for label in np.unique(found.labels):
        rows = np.flatnonzero((found.labels == label) & (found.scores >= score_threshold))
        rows = rows[np.argsort(-found.scores[rows], kind='stable')]
        boxes = np.flatnonzero(truth.labels == label)
        overlap = box_overlap(found.boxes[rows], truth.boxes[boxes], truth.crowd[boxes])
        hits, left_out = match_boxes(
            overlap,
            crowd=truth.crowd[boxes],
            ignored=ignored[boxes][None],
            thresholds=np.array([IOU_OF_A_HIT]),
            rule='coco',
        )
        hit[rows] = hits[:, 0]
        spared[rows] |= left_out[:, 0]
        # Each hit took the best box that was free.
        for row in overlap[hits[:, 0]]:
            missed[boxes[np.where(missed[boxes], row, -1.0).argmax()]] = False
    return hit, spared & ~hit, missed


def _heights(boxes: np.ndarray) -> np.ndarray:
    return boxes[:, 3] - boxes[:, 1]


def _shrunk(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a copy of at most TILE_WIDTH and its scale."""
    scale = min(1.0, TILE_WIDTH / image.shape[1])
    size = round(image.shape[1] * scale), max(1, round(image.shape[0] * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), scale


def _outline(canvas: np.ndarray, box: np.ndarray, colour: Colour) -> None:
    x1, y1, x2, y2 = np.rint(box).astype(int).tolist()
    cv2.rectangle(canvas, (x1, y1), (x2, y2), _DARK, 3)
    cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, 1)


def _tag(canvas: np.ndarray, box: np.ndarray, colour: Colour, text: str) -> None:
    """Write a word on top of a box, unless the box is so small that it would hide the rest."""
    x1, y1, x2, _ = np.rint(box).astype(int).tolist()
    if x2 - x1 < TAGGED_WIDTH:
        return
    (width, height), base = cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)
    left = min(max(x1, 0), max(canvas.shape[1] - width - 4, 0))
    top = max(y1 - height - base - 1, 0)
    corner = left + width + 3, top + height + base
    cv2.rectangle(canvas, (left, top), corner, colour, cv2.FILLED)
    origin = left + 2, top + height + 1
    cv2.putText(canvas, text, origin, _FONT, _FONT_SCALE, _DARK, 1, cv2.LINE_AA)


def _hatch_box(canvas: np.ndarray, box: np.ndarray) -> None:
    region = np.zeros(canvas.shape[:2], bool)
    x1, y1, x2, y2 = np.rint(np.maximum(box, 0)).astype(int).tolist()
    region[y1:y2, x1:x2] = True
    _tint(canvas, region, IGNORED, hatched=True)
    cv2.rectangle(canvas, (x1, y1), (x2, y2), IGNORED, 1)


def _tint(
    canvas: np.ndarray, region: np.ndarray, colour: Colour, *, hatched: bool = False
) -> None:
    """Blend a colour into a region of any size that covers the canvas; thin lines stay visible."""
    height, width = canvas.shape[:2]
    share = cv2.resize(region.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    opacity = np.minimum(2 * share, 1) * _TINT
    if hatched:
        rows, columns = np.indices((height, width))
        opacity *= (rows + columns) % _HATCH_STEP < 2
    blended = canvas + opacity[..., None] * (np.array(colour) - canvas.astype(np.float32))
    canvas[:] = np.rint(blended).astype(np.uint8)
