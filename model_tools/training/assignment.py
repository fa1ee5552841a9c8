# SPDX-License-Identifier: Apache-2.0
"""Task-aligned assignment of objects to cells: TOOD, Feng et al., arXiv 2108.07755."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from model_tools.training.boxes import iou

CANDIDATES = 10
SCORE_POWER = 1.0
IOU_POWER = 6.0


class Objects(NamedTuple):
    """The T objects of a batch in one list: images hold very different numbers of them."""

    image: torch.Tensor
    """(T,) index of the image that an object is in."""
    boxes: torch.Tensor
    """(T, 4) network pixels."""
    labels: torch.Tensor
    """(T,) int64."""

    @classmethod
    def join(cls, boxes: Sequence[torch.Tensor], labels: Sequence[torch.Tensor]) -> Objects:
        """Join the objects of the images of a batch."""
        device = boxes[0].device
        counts = torch.tensor([len(b) for b in boxes], device=device)
        image = torch.arange(len(boxes), device=device).repeat_interleave(
            counts, output_size=sum(len(b) for b in boxes)
        )
        return cls(image, torch.cat(list(boxes)), torch.cat(list(labels)))

    def only(self, which: torch.Tensor) -> Objects:
        """Return the objects that a (T,) bool chooses."""
        return Objects(self.image[which], self.boxes[which], self.labels[which])


class Assignment(NamedTuple):
    """Targets of the A cells of each of the N images."""

    scores: torch.Tensor
    """(N, A, classes) quality targets in 0..1; 0 for background."""
    positive: torch.Tensor
    """(N, A) bool."""
    boxes: torch.Tensor
    """(N, A, 4) target box of each positive cell; zeros elsewhere."""


@torch.no_grad()
def assign(
    probabilities: torch.Tensor, predicted: torch.Tensor, cells: torch.Tensor, objects: Objects
) -> Assignment:
    """Give each object the cells whose score and overlap agree best.

    Args:
        probabilities: (N, A, classes) predicted scores.
        predicted: (N, A, 4) predicted boxes.
        cells: (A, 3) centre x, y and stride.
        objects: What is to be found.

    The alignment is score^1 x IoU^6; a cell may serve one object only, the one that it overlaps
    most. Targets are the alignment scaled so that an object's best cell gets its best IoU.
    """
    image, boxes, labels = objects
    overlap = iou(boxes[:, None], predicted[image])  # (T, A)
    alignment = probabilities[image, :, labels] ** SCORE_POWER * overlap**IOU_POWER
    alignment = torch.where(_may_serve(cells, boxes), alignment + 1e-12, 0.0)
    best = alignment.topk(min(CANDIDATES, len(cells)), 1)
    chosen = torch.zeros_like(alignment, dtype=torch.bool).scatter_(1, best.indices, True)
    chosen &= alignment > 0
    owner = _owners(chosen, overlap, image, len(probabilities))
    own = owner[image] == torch.arange(len(boxes), device=image.device)[:, None]
    aligned = alignment * own
    scale = (overlap * own).amax(1) / aligned.amax(1).clamp(min=1e-12)  # (T,)

    # A last row for the cells of no object makes the empty image a case like any other.
    column = torch.arange(len(cells), device=image.device)
    quality = _with_zeros(aligned * scale[:, None])[owner, column]  # (N, A)
    scores = torch.zeros_like(probabilities)
    scores.scatter_(2, _with_zeros(labels)[owner][..., None], quality[..., None].to(scores.dtype))
    return Assignment(scores, owner < len(boxes), _with_zeros(boxes)[owner])


def _owners(
    chosen: torch.Tensor, overlap: torch.Tensor, image: torch.Tensor, images: int
) -> torch.Tensor:
    """Return (N, A) which object each cell serves; T for none, the first of equal ones."""
    objects, cells = chosen.shape
    index = image[:, None].expand(-1, cells)
    overlap = torch.where(chosen, overlap, -1.0)
    most = overlap.new_full((images, cells), -1.0).scatter_reduce(0, index, overlap, 'amax')
    number = torch.arange(objects, device=image.device)[:, None]
    candidates = torch.where(chosen & (overlap == most[image]), number, objects)
    none = candidates.new_full((images, cells), objects)
    return none.scatter_reduce(0, index, candidates, 'amin')


def _may_serve(cells: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Say (T, A) which cells lie inside an object, or within a stride of a small one's centre."""
    stride = cells[:, 2]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    near = (cells[None, :, :2] - centres[:, None]).abs().amax(2) < stride
    return inside(cells, boxes) | (near & (stride == cells[:, 2].min()))


def inside(cells: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Say (T, A) which cells' centres lie inside which boxes."""
    xy = cells[None, :, :2]
    return ((xy > boxes[:, None, :2]) & (xy < boxes[:, None, 2:])).all(2)


def _with_zeros(rows: torch.Tensor) -> torch.Tensor:
    return torch.cat((rows, rows.new_zeros(1, *rows.shape[1:])))
