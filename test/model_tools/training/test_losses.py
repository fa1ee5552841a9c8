# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from model_tools.data.batches import Batch
from model_tools.networks.heads import DetectionOutput, cell_centres
from model_tools.networks.panoptic_net import NetworkOutput
from model_tools.training.losses import (
    batch_losses,
    detection_losses,
    detection_sums,
    mask_loss,
    mask_sums,
)

CELLS = cell_centres(64, 64)
NOTHING = torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.bool)


def _batch(*images, complete=True, known=False):
    """Return a batch of images given as (boxes, labels, crowd), without masks unless `known`."""
    boxes, labels, crowd = (list(t) for t in zip(*images, strict=True))
    n = len(images)
    return Batch(
        images=torch.zeros(n, 3, 64, 64, dtype=torch.uint8),
        boxes=boxes,
        labels=labels,
        crowd=crowd,
        complete=[complete] * n,
        masks=torch.zeros(n, 2, 32, 32, dtype=torch.uint8),
        known=torch.full((n, 2, 32, 32), known),
    )


def _output(images=1, *, logit=0.0):
    xy, stride = CELLS[:, :2], CELLS[:, 2:]
    logits = torch.full((images, len(CELLS), 2), logit, requires_grad=True)
    boxes = torch.cat((xy - stride, xy + stride), 1).repeat(images, 1, 1)
    return DetectionOutput(logits, boxes)


def _detection(boxes, labels, crowd, *, complete=True, logit=0.0):
    output = _output(logit=logit)
    sums = detection_sums(output, CELLS, _batch((boxes, labels, crowd), complete=complete))
    return output.logits, detection_losses(sums)


def test_detection__empty_image_pushes_every_cell_down():
    logits, (classes, boxes) = _detection(*NOTHING)
    assert boxes == 0
    # weight 0.75 x 0.5^2, cross entropy ln 2, two classes a cell
    assert classes.item() == pytest.approx(len(CELLS) * 2 * 0.75 * 0.25 * math.log(2), rel=1e-5)
    classes.backward()
    assert (logits.grad > 0).all()


def test_detection__incomplete_boxes_give_no_negatives():
    _, (classes, boxes) = _detection(*NOTHING, complete=False)
    assert classes == boxes == 0


def test_detection__crowd_is_neither_hit_nor_miss():
    crowd = torch.tensor([[0.0, 0.0, 32.0, 64.0]])
    logits, (classes, _) = _detection(crowd, torch.tensor([0]), torch.tensor([True]))
    classes.backward()
    inside = CELLS[:, 0] < 32
    assert (logits.grad[0, inside] == 0).all()
    assert (logits.grad[0, ~inside] > 0).all()


def test_detection__crowd_of_one_image_does_not_hide_another():
    crowd = (torch.tensor([[0.0, 0.0, 64.0, 64.0]]), torch.tensor([0]), torch.tensor([True]))
    output = _output(2)
    classes, _ = detection_losses(detection_sums(output, CELLS, _batch(NOTHING, crowd)))
    classes.backward()
    assert (output.logits.grad[0] > 0).all()
    assert (output.logits.grad[1] == 0).all()


def test_detection__object_pulls_its_class_up():
    box = torch.tensor([[16.0, 16.0, 32.0, 32.0]])
    logits, (classes, boxes) = _detection(
        box, torch.tensor([1]), torch.tensor([False]), logit=-4.0
    )
    classes.backward()
    assert (logits.grad[0, :, 1] < 0).any()
    assert (logits.grad[0, :, 0] >= 0).all()
    assert boxes > 0


def _mask_loss(logits, share, known, *, miss_weight):
    return mask_loss(mask_sums(logits, share, known), miss_weight=miss_weight)


@pytest.mark.parametrize('miss_weight', [0.3, 0.5, 0.7])
def test_mask_loss__perfect_is_zero_and_empty_is_zero(miss_weight):
    share = torch.zeros(1, 8, 8)
    share[:, :4] = 1
    known = torch.ones(1, 8, 8, dtype=torch.bool)
    logits = torch.where(share > 0, 40.0, -40.0)[:, None]
    assert _mask_loss(logits, share, known, miss_weight=miss_weight) < 1e-4
    nothing = torch.zeros_like(known)
    assert _mask_loss(logits, share, nothing, miss_weight=miss_weight) == 0


def test_mask_loss__worked_case():
    share = torch.tensor([[[1.0, 0.0]]])
    known = torch.ones(1, 1, 2, dtype=torch.bool)
    loss = _mask_loss(torch.zeros(1, 1, 1, 2), share, known, miss_weight=0.5)
    # p = 0.5: cross entropy ln 2; hit = missed = false = 0.5, index (0.5 + 1) / (1 + 1)
    assert loss.item() == pytest.approx(math.log(2) + 1 - 1.5 / 2.0, abs=1e-6)


def test_mask_loss__unknown_pixels_have_no_gradient():
    known = torch.tensor([[[True, False]]])
    logits = torch.zeros(1, 1, 1, 2, requires_grad=True)
    _mask_loss(logits, torch.ones(1, 1, 2), known, miss_weight=0.5).backward()
    assert logits.grad[0, 0, 0, 0] < 0
    assert logits.grad[0, 0, 0, 1] == 0


@pytest.mark.parametrize('known', [False, True])
def test_batch_losses__nothing_labelled_is_zero_with_zero_gradients(known):
    masks = [torch.zeros(1, 1, 16, 16, requires_grad=True) for _ in range(2)]
    output = NetworkOutput(_output(), *masks)
    batch = _batch(NOTHING, complete=False, known=known)
    losses = batch_losses(output, batch, CELLS, lane_miss_weight=0.7, reduce=lambda x: x)
    assert losses.labelled.tolist() == [False, known, known]
    assert losses.classes == losses.box == 0
    torch.stack(losses[:4]).sum().backward()
    assert (output.detection.logits.grad == 0).all()
    for logits in masks:
        assert bool((logits.grad == 0).all()) is not known


def test_batch_losses__sums_are_reduced_before_the_ratios():
    box = torch.tensor([[16.0, 16.0, 32.0, 32.0]]), torch.tensor([1]), torch.tensor([False])
    masks = torch.zeros(1, 1, 16, 16)

    def losses(images, reduce):
        output = NetworkOutput(_output(len(images)), *[masks.repeat(len(images), 1, 1, 1)] * 2)
        batch = _batch(*images, known=True)
        return batch_losses(output, batch, CELLS, lane_miss_weight=0.7, reduce=reduce)

    parts = []
    for image in (box, NOTHING):
        losses([image], lambda sums: parts.append(sums) or sums)
    together = losses([box, NOTHING], lambda sums: sums)
    dealt = losses([NOTHING], lambda _: sum(parts))
    torch.testing.assert_close(torch.stack(dealt[:4]), torch.stack(together[:4]))
