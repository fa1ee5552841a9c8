# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from model_tools.compression.distillation_losses import (
    box_quality_loss,
    feature_loss,
    mask_logit_loss,
)


def alone(sums):
    return sums


def feature(*channels):
    """Return (1, C, 2, 2)."""
    return torch.tensor(channels, dtype=torch.float).view(1, -1, 2, 2)


@pytest.mark.parametrize(
    ('student', 'teacher', 'expected'),
    [
        (feature([0, 0, 0, 0]), feature([0, 0, 0, 0]), 0.0),
        (feature([0, 0, 1, 1]), feature([7, 7, 7, 7]), 0.0),  # a teacher's channel that is dead
        (feature([7, 7, 7, 7]), feature([0, 0, 1, 1]), 0.0),
        (feature([0, 0, 1, 1]), feature([0, 0, 1, 1]), 0.0),
        (feature([0, 0, 1, 1]), feature([5, 5, 8, 8]), 0.0),
        (feature([0, 0, 1, 1]), feature([1, 1, 0, 0]), 4.0),
        (feature([0, 1, 0, 1]), feature([0, 0, 1, 1]), 2.0),
        (feature([0, 0, 1, 1]), feature([0, 1, 1, 1]), 2 - 2 / math.sqrt(3)),  # 0.845299
        (feature([0, 0, 1, 1], [0, 0, 1, 1]), feature([0, 1, 1, 1], [3, 3, 3, 3]), 0.845299),
        (feature([0, 0, 1, 1], [0, 0, 1, 1]), feature([0, 1, 1, 1], [1, 1, 0, 0]), 2.42265),
    ],
)
def test_feature_loss__one_tap(student, teacher, expected):
    before = student.clone(), teacher.clone()
    loss = feature_loss({'C3': student}, {'C3': teacher}, reduce=alone)
    assert loss.item() == pytest.approx(expected, abs=2e-4)
    assert torch.equal(student, before[0])
    assert torch.equal(teacher, before[1])


def test_feature_loss__mean_over_taps():
    student = {'C3': feature([0, 0, 1, 1]), 'P5': torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)}
    teacher = {'C3': feature([0, 0, 1, 1]), 'P5': torch.tensor([1.0, 0.0]).view(2, 1, 1, 1)}
    assert feature_loss(student, teacher, reduce=alone).item() == pytest.approx(2.0, abs=2e-4)


def test_feature_loss__is_that_of_standardised_features_and_so_is_its_gradient():
    generator = torch.Generator().manual_seed(1)
    student = (torch.randn(3, 5, 4, 6, generator=generator) + 30).requires_grad_()
    teacher = 40 * torch.randn(3, 5, 4, 6, generator=generator) + 7

    def standardised(x):
        variance, mean = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
        return (x - mean) / (variance + 1e-5).sqrt()

    expected = (standardised(student) - standardised(teacher)).square().mean()
    found = feature_loss({'x': student}, {'x': teacher}, reduce=alone)
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(loss, student)[0] for loss in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-7)


def test_feature_loss__dead_channel_has_no_gradient():
    student = feature([0, 0, 1, 1], [2, 2, 2, 2]).requires_grad_()
    teacher = feature([0, 1, 1, 1], [0, 1, 1, 1])
    feature_loss({'x': student}, {'x': teacher}, reduce=alone).backward()
    assert student.grad[0, 0].abs().max() > 0.1
    assert (student.grad[0, 1] == 0).all()


def test_feature_loss__half_precision_is_widened():
    student = torch.linspace(100, 101, 64).view(1, 1, 8, 8)
    loss = feature_loss({'x': student.bfloat16()}, {'x': student}, reduce=alone)
    assert loss.dtype == torch.float32


@pytest.mark.parametrize(
    ('student', 'teacher', 'expected'),
    [
        ([0.0, 2.0], [0.0, 2.0], 0.0),
        ([0.0], [math.log(3)], 0.75 * math.log(1.5) + 0.25 * math.log(0.5)),  # 3/4 against 1/2
        ([0.0, 1.0], [math.log(3), 1.0], 0.065406),
    ],
)
def test_mask_logit_loss(student, teacher, expected):
    student, teacher = (torch.tensor(x).view(-1, 1, 1, 1) for x in (student, teacher))
    loss = mask_logit_loss(student, teacher, reduce=alone)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ('student', 'teacher', 'expected'),
    [
        ([0.0], [0.0], 0.0),
        ([0.0], [math.log(3)], math.log(2) / 16),  # (3/4 - 1/2)^2, over at least 1
        ([0.0] * 2, [math.log(3)] * 2, math.log(2) / 16 * 2 / 1.5),
    ],
)
def test_box_quality_loss(student, teacher, expected):
    student, teacher = (torch.tensor(x).view(1, -1, 1) for x in (student, teacher))
    loss = box_quality_loss(student, teacher, reduce=alone)
    assert loss.item() == pytest.approx(expected, abs=1e-6)
