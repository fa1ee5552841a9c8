# SPDX-License-Identifier: Apache-2.0
import torch

from model_tools.networks.heads import cell_centres
from model_tools.training.assignment import CANDIDATES, assign

CELLS = cell_centres(64, 64)
CLASSES = 3


def _predictions(box=None, cell=None):
    """Predict small boxes around every cell; one cell may predict `box`."""
    xy, stride = CELLS[:, :2], CELLS[:, 2:]
    boxes = torch.cat((xy - stride / 2, xy + stride / 2), 1)
    if box is not None:
        boxes[cell] = torch.tensor(box)
    return torch.full((len(CELLS), CLASSES), 0.1), boxes


def test_assign__no_object_gives_no_positive():
    scores, boxes = _predictions()
    result = assign(scores, boxes, CELLS, torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
    assert not result.positive.any()
    assert result.scores.sum() == 0
    assert result.boxes.shape == (0, 4)


def test_assign__best_cell_gets_its_iou_as_target():
    truth = [8.0, 8.0, 40.0, 40.0]
    inside = int(((CELLS[:, 0] == 20) & (CELLS[:, 1] == 20)).nonzero()[0])
    scores, boxes = _predictions(truth, inside)
    result = assign(scores, boxes, CELLS, torch.tensor([truth]), torch.tensor([2]))
    assert result.positive[inside]
    assert result.positive.sum() <= CANDIDATES
    torch.testing.assert_close(result.scores[inside], torch.tensor([0.0, 0.0, 1.0]))
    assert result.scores[:, :2].sum() == 0


def test_assign__object_smaller_than_a_cell_is_not_lost():
    truth = torch.tensor([[9.0, 9.0, 11.0, 11.0]])  # holds no cell centre
    scores, boxes = _predictions()
    result = assign(scores, boxes, CELLS, truth, torch.tensor([1]))
    assert result.positive.any()
    assert (CELLS[result.positive][:, 2] == 8).all()


def test_assign__a_cell_serves_the_object_it_overlaps_most():
    near, far = [4.0, 4.0, 36.0, 36.0], [0.0, 0.0, 60.0, 60.0]
    cell = int(((CELLS[:, 0] == 20) & (CELLS[:, 1] == 20)).nonzero()[0])
    scores, boxes = _predictions(near, cell)
    result = assign(scores, boxes, CELLS, torch.tensor([far, near]), torch.tensor([0, 1]))
    row = int(result.positive[: cell + 1].sum()) - 1
    assert result.boxes[row].tolist() == near
    assert result.scores[cell].argmax() == 1
