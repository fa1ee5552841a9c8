# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from model_tools.networks.heads import DetectionOutput, cell_centres
from model_tools.training.losses import detection_loss, segmentation_loss

CELLS = cell_centres(64, 64)
NOTHING = torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.bool)


def _detection(boxes, labels, crowd, *, complete=True, logit=0.0):
    xy, stride = CELLS[:, :2], CELLS[:, 2:]
    logits = torch.full((1, len(CELLS), 2), logit, requires_grad=True)
    predicted = torch.cat((xy - stride, xy + stride), 1)[None]
    losses = detection_loss(
        DetectionOutput(logits, predicted), CELLS, [boxes], [labels], [crowd], [complete]
    )
    return logits, losses


def test_detection_loss__empty_image_pushes_every_cell_down():
    logits, (classes, boxes) = _detection(*NOTHING)
    assert boxes == 0
    # weight 0.75 x 0.5^2, cross entropy ln 2, two classes a cell
    assert classes.item() == pytest.approx(len(CELLS) * 2 * 0.75 * 0.25 * math.log(2), rel=1e-5)
    classes.backward()
    assert (logits.grad > 0).all()


def test_detection_loss__incomplete_boxes_give_no_negatives():
    _, (classes, boxes) = _detection(*NOTHING, complete=False)
    assert classes == boxes == 0


def test_detection_loss__crowd_is_neither_hit_nor_miss():
    crowd = torch.tensor([[0.0, 0.0, 32.0, 64.0]])
    logits, (classes, _) = _detection(crowd, torch.tensor([0]), torch.tensor([True]))
    classes.backward()
    inside = CELLS[:, 0] < 32
    assert (logits.grad[0, inside] == 0).all()
    assert (logits.grad[0, ~inside] > 0).all()


def test_detection_loss__object_pulls_its_class_up():
    box = torch.tensor([[16.0, 16.0, 32.0, 32.0]])
    logits, (classes, boxes) = _detection(
        box, torch.tensor([1]), torch.tensor([False]), logit=-4.0
    )
    classes.backward()
    assert (logits.grad[0, :, 1] < 0).any()
    assert (logits.grad[0, :, 0] >= 0).all()
    assert boxes > 0


@pytest.mark.parametrize('miss_weight', [0.3, 0.5, 0.7])
def test_segmentation_loss__perfect_is_zero_and_empty_is_zero(miss_weight):
    share = torch.zeros(1, 8, 8)
    share[:, :4] = 1
    known = torch.ones(1, 8, 8, dtype=torch.bool)
    logits = torch.where(share > 0, 40.0, -40.0)[:, None]
    assert segmentation_loss(logits, share, known, miss_weight=miss_weight) < 1e-4
    nothing = torch.zeros_like(known)
    assert segmentation_loss(logits, share, nothing, miss_weight=miss_weight) == 0


def test_segmentation_loss__worked_case():
    share = torch.tensor([[[1.0, 0.0]]])
    known = torch.ones(1, 1, 2, dtype=torch.bool)
    loss = segmentation_loss(torch.zeros(1, 1, 1, 2), share, known, miss_weight=0.5)
    # p = 0.5: cross entropy ln 2; hit = missed = false = 0.5, index (0.5 + 1) / (1 + 1)
    assert loss.item() == pytest.approx(math.log(2) + 1 - 1.5 / 2.0, abs=1e-6)


def test_segmentation_loss__unknown_pixels_have_no_gradient():
    known = torch.tensor([[[True, False]]])
    logits = torch.zeros(1, 1, 1, 2, requires_grad=True)
    segmentation_loss(logits, torch.ones(1, 1, 2), known, miss_weight=0.5).backward()
    assert logits.grad[0, 0, 0, 0] < 0
    assert logits.grad[0, 0, 0, 1] == 0
