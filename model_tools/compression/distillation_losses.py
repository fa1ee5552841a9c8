# SPDX-License-Identifier: Apache-2.0
"""How far a student is from its teacher: in its features and, to compare with, in its answers.

As those of the tasks, these losses are ratios of sums that are added over all processes first.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from model_tools.training.losses import Reduce

EPSILON = 1e-5
"""Added to the variance of each channel; one of less than that is taken for a constant."""
FOCUS = 2.0
"""Power of the error that weighs a cell of the quality loss."""
CELLS = (0, 2, 3)
"""All dimensions of a feature map but that of its channels."""


def feature_loss(
    student: Mapping[str, Tensor], teacher: Mapping[str, Tensor], *, reduce: Reduce
) -> Tensor:
    """Return the mean squared difference of standardised features, 0 to 4: the mean over taps.

    Each channel is brought to mean 0 and deviation 1 over all cells of the batch, which makes the
    loss 2 (1 - Pearson's correlation): reconstruction of arXiv 2511.05557. A channel that is
    constant in one of the two is left out; a tap with no other counts as 0.

    Args:
        student: Adapted features (N, C, H, W) by tap.
        teacher: Features of the same shapes.
        reduce: Adds over processes.

    """
    return torch.stack([_distance(student[tap], teacher[tap], reduce) for tap in teacher]).mean()


def mask_logit_loss(student: Tensor, teacher: Tensor, *, reduce: Reduce) -> Tensor:
    """Return the mean divergence of a student's mask (N, 1, h, w) from its teacher's; logits."""
    student, teacher = student.float(), teacher.float()
    target = teacher.sigmoid()
    divergence = F.binary_cross_entropy_with_logits(
        student, target, reduction='sum'
    ) - F.binary_cross_entropy_with_logits(teacher, target, reduction='sum')
    total, pixels = reduce(torch.stack((divergence, divergence.new_tensor(target.numel()))))
    return total / pixels


def box_quality_loss(student: Tensor, teacher: Tensor, *, reduce: Reduce) -> Tensor:
    """Return the quality focal loss (arXiv 2006.04388) of logits (N, A, classes) of boxes.

    Targets are the teacher's scores, by whose sum it is normalised.
    """
    student, target = student.float(), teacher.float().sigmoid()
    weight = (target - student.sigmoid()).abs() ** FOCUS
    entropy = F.binary_cross_entropy_with_logits(student, target, reduction='none')
    total, scale = reduce(torch.stack(((weight * entropy).sum(), target.sum())))
    return total / scale.clamp(min=1.0)


def _distance(student: Tensor, teacher: Tensor, reduce: Reduce) -> Tensor:
    own, wanted = student.float(), teacher.float()
    channels = own.shape[1]
    with torch.no_grad():  # sums of products of deviations do not depend on the means
        cells = own.new_tensor([own.numel() / channels])
        sums = reduce(torch.cat((own.sum(CELLS), wanted.sum(CELLS), cells)))
        own_sum, wanted_sum, cells = sums.split((channels, channels, 1))
    own = own - (own_sum / cells).view(-1, 1, 1)
    wanted = wanted - (wanted_sum / cells).view(-1, 1, 1)
    products = (own * own, wanted * wanted, own * wanted)
    sums = reduce(torch.stack([product.sum(CELLS) for product in products]))
    own_variance, wanted_variance, covariance = sums / cells
    own_square, wanted_square = own_variance + EPSILON, wanted_variance + EPSILON
    squares = own_variance / own_square + wanted_variance / wanted_square
    distances = squares - 2 * covariance / (own_square * wanted_square).sqrt()
    lively = (own_variance > EPSILON) & (wanted_variance > EPSILON)
    return (distances * lively).sum() / lively.sum().clamp(min=1)
