# SPDX-License-Identifier: Apache-2.0
"""Losses of the three tasks; what is not labelled or to be ignored adds nothing."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from model_tools.networks.heads import DetectionOutput
from model_tools.training.assignment import assign
from model_tools.training.boxes import ciou

NEGATIVE_POWER = 2.0
NEGATIVE_WEIGHT = 0.75


def detection_loss(
    output: DetectionOutput,
    cells: torch.Tensor,
    boxes: list[torch.Tensor],
    labels: list[torch.Tensor],
    crowd: list[torch.Tensor],
    complete: list[bool],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return class and box losses of a batch, both normalised by the sum of the targets.

    Classes: varifocal loss (arXiv 2008.13367) against the assignment's quality. Boxes: 1 - CIoU,
    weighted by quality. Cells inside a crowd region, and images whose boxes are not complete,
    give no negatives.
    """
    class_sum = output.logits.new_zeros((), dtype=torch.float32)
    box_sum, target_sum = class_sum.clone(), class_sum.clone()
    for i, logits in enumerate(output.logits.float()):
        solid = ~crowd[i]
        probabilities = logits.detach().sigmoid()
        targets, positive, target_boxes = assign(
            probabilities, output.boxes[i].detach(), cells, boxes[i][solid], labels[i][solid]
        )
        weight = torch.where(targets > 0, targets, NEGATIVE_WEIGHT * probabilities**NEGATIVE_POWER)
        silent = _inside_any(cells, boxes[i][crowd[i]]) if complete[i] else ~positive
        weight = torch.where((silent & ~positive)[:, None], 0.0, weight)
        class_sum = (
            class_sum
            + (
                weight * F.binary_cross_entropy_with_logits(logits, targets, reduction='none')
            ).sum()
        )
        quality = targets[positive].sum(1)
        box_sum = box_sum + (quality * (1 - ciou(output.boxes[i][positive], target_boxes))).sum()
        target_sum = target_sum + targets.sum()
    scale = target_sum.clamp(min=1.0)
    return class_sum / scale, box_sum / scale


def segmentation_loss(
    logits: torch.Tensor, share: torch.Tensor, known: torch.Tensor, *, miss_weight: float
) -> torch.Tensor:
    """Return cross entropy plus Tversky loss of one mask over its known pixels.

    Args:
        logits: (N, 1, h, w), enlarged here to the target's size.
        share: (N, H, W) target in 0..1. known: (N, H, W) bool.
        miss_weight: weight of missed pixels in the Tversky index (arXiv 1706.05721), against
            1 - miss_weight for false ones; 0.5 is the Dice loss.
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
    index = (hit + 1) / (hit + miss_weight * missed + (1 - miss_weight) * false + 1)
    return entropy / weight.sum().clamp(min=1.0) + (1 - index)


def _inside_any(cells: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    xy = cells[:, None, :2]
    return ((xy > boxes[None, :, :2]) & (xy < boxes[None, :, 2:])).all(2).any(1)
