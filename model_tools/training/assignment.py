# SPDX-License-Identifier: Apache-2.0
"""Task-aligned assignment of objects to cells: TOOD, Feng et al., arXiv 2108.07755."""

from __future__ import annotations

from typing import NamedTuple

import torch

from model_tools.training.boxes import pairwise_iou

CANDIDATES = 10
SCORE_POWER = 1.0
IOU_POWER = 6.0


class Assignment(NamedTuple):
    """Targets of the A cells of one image."""

    scores: torch.Tensor
    """(A, classes) quality targets in 0..1; 0 for background."""
    positive: torch.Tensor
    """(A,) bool."""
    boxes: torch.Tensor
    """(P, 4) target box of each positive cell."""


@torch.no_grad()
def assign(
    probabilities: torch.Tensor,
    predicted: torch.Tensor,
    cells: torch.Tensor,
    boxes: torch.Tensor,
    labels: torch.Tensor,
) -> Assignment:
    """Give each object the cells whose score and overlap agree best.

    Args:
        probabilities: (A, classes) predicted scores.
        predicted: (A, 4) predicted boxes.
        cells: (A, 3) centre x, y and stride.
        boxes: (G, 4) objects. labels: (G,) their classes.

    The alignment is score^1 x IoU^6; a cell may serve one object only, the one that it overlaps
    most. Targets are the alignment scaled so that an object's best cell gets its best IoU.
    """
    scores = torch.zeros_like(probabilities)
    if len(boxes) == 0:
        positive = torch.zeros(len(cells), dtype=torch.bool, device=cells.device)
        return Assignment(scores, positive, boxes)
    iou = pairwise_iou(boxes, predicted)  # (G, A)
    alignment = probabilities[:, labels].T ** SCORE_POWER * iou**IOU_POWER
    alignment = torch.where(_may_serve(cells, boxes), alignment + 1e-12, 0.0)
    best = alignment.topk(min(CANDIDATES, len(cells)), 1)
    chosen = torch.zeros_like(alignment).scatter_(1, best.indices, 1.0) * (alignment > 0)
    owner = torch.where(chosen > 0, iou + 1e-9, -1.0).argmax(0)  # (A,)
    positive = chosen.any(0)
    own = torch.zeros_like(chosen).scatter_(0, owner[None], 1.0) * chosen
    aligned = alignment * own
    scale = (iou * own).amax(1) / aligned.amax(1).clamp(min=1e-12)  # (G,)
    quality = (aligned * scale[:, None]).amax(0)
    cells_of = positive.nonzero()[:, 0]
    scores[cells_of, labels[owner[cells_of]]] = quality[cells_of]
    return Assignment(scores, positive, boxes[owner[cells_of]])


def _may_serve(cells: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Say (G, A) which cells lie inside an object, or within a stride of a small one's centre."""
    xy, stride = cells[:, :2], cells[:, 2]
    inside = ((xy > boxes[:, None, :2]) & (xy < boxes[:, None, 2:])).all(2)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    near = (xy[None] - centres[:, None]).abs().amax(2) < stride
    return inside | (near & (stride == cells[:, 2].min()))
