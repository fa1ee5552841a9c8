# SPDX-License-Identifier: Apache-2.0
"""The boxes of an image, as a network is to find them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model_tools.data.bdd_labels import ImageLabels, is_known
from model_tools.data.label_set import LabelSet
from model_tools.data.problems import Problems

_ROUNDING_PX = 1.0
"""A box may leave the image by so much before it is worth a note."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """The fields of a Sample that say where its objects are."""

    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray
    complete: bool


NOT_LABELLED = Boxes(
    np.empty((0, 4), np.float32), np.empty(0, np.int64), np.empty(0, bool), complete=False
)


def box_truth(
    image: ImageLabels, label_set: LabelSet, wh: tuple[int, int], problems: Problems
) -> Boxes:
    """Clip boxes to the image and sort them by label; note what is dropped or unknown."""
    how = image.attributes.get('box_label', '')
    if how == 'none':
        return NOT_LABELLED
    boxes, labels, crowd = [], [], []
    for item in image.objects:
        found = label_set.index(item.category)
        if found is None and not is_known(item.category):
            problems.note(
                f'unknown category: {item.category}',
                f"'{image.where}': category {item.category!r} is unknown: left out",
            )
        if found is None or item.box is None:
            continue
        if (box := _clipped(item.box, wh, image.where, problems)) is None:
            continue
        label, ignored = found
        boxes.append(box)
        labels.append(label)
        crowd.append(ignored or any(bool(item.attributes.get(k)) for k in ('crowd', 'ignored')))
    return Boxes(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int64),
        np.array(crowd, bool),
        # Such boxes are those of a detector alone: it missed some.
        complete=how != 'pseudo-detector',
    )


def _clipped(
    box: tuple[float, float, float, float], wh: tuple[int, int], where: str, problems: Problems
) -> tuple[float, float, float, float] | None:
    """Return the part of a box that is in the image; None if there is none."""
    x1, y1, x2, y2 = box
    if x2 <= x1 or y2 <= y1:
        problems.note('empty box', f"'{where}': {_text(box)} is empty or inverted: left out")
        return None
    width, height = wh
    inside = (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        problems.note(
            'box outside', f"'{where}': {_text(box)} is outside {width}x{height}: left out"
        )
        return None
    if max(abs(a - b) for a, b in zip(box, inside, strict=True)) > _ROUNDING_PX:
        problems.note('box clipped', f"'{where}': {_text(box)} leaves {width}x{height}: cut")
    return inside


def _text(box: tuple[float, float, float, float]) -> str:
    return f'box ({", ".join(f"{value:g}" for value in box)})'
