# SPDX-License-Identifier: Apache-2.0
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model_tools.networks.heads import cell_centres
from model_tools.training.assignment import CANDIDATES, Objects, assign

CELLS = cell_centres(64, 64)
CLASSES = 3
NO_BOXES, NO_LABELS = torch.zeros(0, 4), torch.zeros(0, dtype=torch.long)


def _predictions(box=None, cell=None):
    """Predict small boxes around every cell of one image; one cell may predict `box`."""
    xy, stride = CELLS[:, :2], CELLS[:, 2:]
    boxes = torch.cat((xy - stride / 2, xy + stride / 2), 1)
    if box is not None:
        boxes[cell] = torch.tensor(box)
    return torch.full((1, len(CELLS), CLASSES), 0.1), boxes[None]


def _objects(boxes, labels):
    return Objects.join([torch.tensor(boxes)], [torch.tensor(labels)])


def _cell_at(x, y):
    return int(((CELLS[:, 0] == x) & (CELLS[:, 1] == y)).nonzero()[0])


def test_assign__no_object_gives_no_positive():
    result = assign(*_predictions(), CELLS, Objects.join([NO_BOXES], [NO_LABELS]))
    assert not result.positive.any()
    assert result.scores.sum() == 0
    assert result.boxes.shape == (1, len(CELLS), 4)


def test_assign__best_cell_gets_its_iou_as_target():
    truth = [8.0, 8.0, 40.0, 40.0]
    cell = _cell_at(20, 20)
    result = assign(*_predictions(truth, cell), CELLS, _objects([truth], [2]))
    assert result.positive[0, cell]
    assert result.positive.sum() <= CANDIDATES
    torch.testing.assert_close(result.scores[0, cell], torch.tensor([0.0, 0.0, 1.0]))
    assert result.scores[..., :2].sum() == 0
    assert result.boxes[0, cell].tolist() == truth


def test_assign__object_smaller_than_a_cell_is_not_lost():
    truth = [[9.0, 9.0, 11.0, 11.0]]  # holds no cell centre
    result = assign(*_predictions(), CELLS, _objects(truth, [1]))
    assert result.positive.any()
    assert (CELLS[result.positive[0]][:, 2] == 8).all()


def test_assign__a_cell_serves_the_object_it_overlaps_most():
    near, far = [4.0, 4.0, 36.0, 36.0], [0.0, 0.0, 60.0, 60.0]
    cell = _cell_at(20, 20)
    result = assign(*_predictions(near, cell), CELLS, _objects([far, near], [0, 1]))
    assert result.boxes[0, cell].tolist() == near
    assert result.scores[0, cell].argmax() == 1


def test_assign__of_two_equal_objects_the_first_is_served():
    box = [8.0, 8.0, 40.0, 40.0]
    cell = _cell_at(20, 20)
    result = assign(*_predictions(box, cell), CELLS, _objects([box, box], [2, 0]))
    torch.testing.assert_close(result.scores[0, cell], torch.tensor([0.0, 0.0, 1.0]))


BOX = st.tuples(*[st.floats(0, 40)] * 2, *[st.floats(1, 24)] * 2)
IMAGE = st.lists(st.tuples(BOX, st.integers(0, CLASSES - 1)), max_size=6)


@settings(deadline=None, max_examples=40)
@given(st.lists(IMAGE, min_size=1, max_size=3), st.integers(0, 2**20))
def test_assign__images_of_a_batch_do_not_meet(images, seed):
    generator = torch.Generator().manual_seed(seed)
    shape = len(images), len(CELLS), CLASSES
    probabilities = torch.rand(shape, generator=generator)
    predicted = _predictions()[1] + 4 * torch.randn((*shape[:2], 4), generator=generator)
    boxes = [
        torch.tensor([[x, y, x + w, y + h] for (x, y, w, h), _ in image]).reshape(-1, 4)
        for image in images
    ]
    labels = [torch.tensor([label for _, label in image], dtype=torch.long) for image in images]
    together = assign(probabilities, predicted, CELLS, Objects.join(boxes, labels))
    for i in range(len(images)):
        alone = assign(
            probabilities[i : i + 1],
            predicted[i : i + 1],
            CELLS,
            Objects.join(boxes[i : i + 1], labels[i : i + 1]),
        )
        for whole, part in zip(together, alone, strict=True):
            torch.testing.assert_close(whole[i], part[0])  # the last bit may be rounded otherwise
        assert (alone.scores[0].sum(1) > 0).sum() <= alone.positive.sum()
        assert alone.positive.sum() <= CANDIDATES * len(images[i])
