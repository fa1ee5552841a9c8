# SPDX-License-Identifier: Apache-2.0
"""Losses of the three tasks; what is not labelled or to be ignored adds nothing.

Every loss is a ratio of sums over the batch. The sums of several processes are added before the
ratios are taken, so that the gradients do not depend on how the batch was dealt out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn import functional as F

from model_tools.data.batches import Batch
from model_tools.networks.heads import DetectionOutput
from model_tools.networks.panoptic_net import NetworkOutput
from model_tools.training.assignment import Objects, assign, inside
from model_tools.training.boxes import ciou

NEGATIVE_POWER = 2.0
NEGATIVE_WEIGHT = 0.75
DRIVABLE_MISS_WEIGHT = 0.5

Reduce = Callable[[torch.Tensor], torch.Tensor]
"""Adds a vector over all processes, differentiably."""


class TaskLosses(NamedTuple):
    """The losses of a batch, each a scalar; 0 for a task of which nothing is labelled."""

    classes: torch.Tensor
    box: torch.Tensor
    drivable: torch.Tensor
    lane: torch.Tensor
    labelled: torch.Tensor
    """(3,) bool: whether detection, drivable and lane have any label."""


def batch_losses(
    output: NetworkOutput,
    batch: Batch,
    cells: torch.Tensor,
    *,
    lane_miss_weight: float,
    reduce: Reduce,
) -> TaskLosses:
    """Return the losses of the batch that all processes together have; `cells` is (A, 3)."""
    share = batch.masks.float() / 255.0
    detection, drivable, lane = reduce(
        torch.cat(
            (
                detection_sums(output.detection, cells, batch),
                mask_sums(output.drivable, share[:, 0], batch.known[:, 0]),
                mask_sums(output.lane, share[:, 1], batch.known[:, 1]),
            )
        )
    ).split((len(DetectionSums._fields), len(MaskSums._fields), len(MaskSums._fields)))
    classes, box = detection_losses(detection)
    return TaskLosses(
        classes,
        box,
        mask_loss(drivable, miss_weight=DRIVABLE_MISS_WEIGHT),
        mask_loss(lane, miss_weight=lane_miss_weight),
        torch.stack(
            (
                DetectionSums(*detection).cells > 0,
                MaskSums(*drivable).known > 0,
                MaskSums(*lane).known > 0,
            )
        ),
    )


class DetectionSums(NamedTuple):
    """What the detection losses are ratios of."""

    classes: torch.Tensor
    box: torch.Tensor
    target: torch.Tensor
    """Of the quality targets."""
    cells: torch.Tensor
    """How many cells have a target, be it background."""


def detection_sums(output: DetectionOutput, cells: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Return `DetectionSums` as a vector.

    Classes: varifocal loss (arXiv 2008.13367) against the assignment's quality. Boxes: 1 - CIoU,
    weighted by quality. Cells inside a crowd region, and images whose boxes are not complete,
    give no negatives.
    """
    logits = output.logits.float()
    probabilities = logits.detach().sigmoid()
    objects, crowd = Objects.join(batch.boxes, batch.labels), torch.cat(batch.crowd)
    targets, positive, target_boxes = assign(
        probabilities, output.boxes.detach(), cells, objects.only(~crowd)
    )
    complete = torch.tensor(batch.complete, device=cells.device)
    background = complete[:, None] & ~_covered(cells, objects.only(crowd), len(logits))
    counted = positive | background
    weight = torch.where(targets > 0, targets, NEGATIVE_WEIGHT * probabilities**NEGATIVE_POWER)
    entropy = F.binary_cross_entropy_with_logits(
        logits, targets, weight * counted[..., None], reduction='sum'
    )
    quality = targets[positive].sum(1)
    box = (quality * (1 - ciou(output.boxes[positive], target_boxes[positive]))).sum()
    return torch.stack(DetectionSums(entropy, box, targets.sum(), counted.float().sum()))


def detection_losses(sums: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return class and box losses, both normalised by the sum of the targets."""
    total = DetectionSums(*sums)
    scale = total.target.clamp(min=1.0)
    return total.classes / scale, total.box / scale


class MaskSums(NamedTuple):
    """What the loss of a mask is made of ratios of."""

    entropy: torch.Tensor
    known: torch.Tensor
    """How many pixels are labelled."""
    hit: torch.Tensor
    missed: torch.Tensor
    false: torch.Tensor


def mask_sums(logits: torch.Tensor, share: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return `MaskSums` as a vector.

    Args:
        logits: (N, 1, h, w), enlarged here to the target's size.
        share: (N, H, W) target in 0..1. known: (N, H, W) bool.
    """
    logits = F.interpolate(
        logits.float(), size=share.shape[1:], mode='bilinear', align_corners=False
    )[:, 0]
    weight = known.float()
    entropy = F.binary_cross_entropy_with_logits(logits, share, weight, reduction='sum')
    probability = logits.sigmoid()
    hit = (weight * probability * share).sum()
    missed = (weight * (1 - probability) * share).sum()
    false = (weight * probability * (1 - share)).sum()
    return torch.stack(MaskSums(entropy, weight.sum(), hit, missed, false))


def mask_loss(sums: torch.Tensor, *, miss_weight: float) -> torch.Tensor:
    """Return cross entropy plus Tversky loss of one mask over its known pixels.

    `miss_weight` is that of missed pixels in the Tversky index (arXiv 1706.05721), against
    1 - miss_weight for false ones; 0.5 is the Dice loss.
    """
    total = MaskSums(*sums)
    cost = miss_weight * total.missed + (1 - miss_weight) * total.false
    index = (total.hit + 1) / (total.hit + cost + 1)
    return total.entropy / total.known.clamp(min=1.0) + (1 - index)


def _covered(cells: torch.Tensor, regions: Objects, images: int) -> torch.Tensor:
    """Say (N, A) which cells lie in a region of their image."""
    covered = torch.zeros(images, len(cells), device=cells.device)
    return covered.index_add_(0, regions.image, inside(cells, regions.boxes).float()) > 0
