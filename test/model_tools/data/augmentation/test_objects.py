# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.data.augmentation.mosaic import cells
from model_tools.data.augmentation.objects import Objects, move_objects
from model_tools.data.augmentation.recipe import Recipe, Tile, plain_recipe

WH = (160, 96)
CELLS = cells((64, 48), WH)


def _objects(*boxes, label=1, crowd=False):
    k = len(boxes)
    return Objects(np.array(boxes, np.float32).reshape(k, 4), np.full(k, label), np.full(k, crowd))


def _mosaic(matrix):
    return Recipe([Tile(i, matrix, cell) for i, cell in enumerate(CELLS)])


def _plain():
    return plain_recipe(0, np.eye(3), WH)


def test_move_objects__no_objects():
    objects, counts, complete = move_objects([_objects()] * 2, [True, False], [_plain()] * 2)
    assert objects.boxes.shape == (0, 4)
    assert counts == [0, 0]
    assert complete == [True, False]


def test_move_objects__picture_by_picture():
    samples = [_objects((1, 2, 30, 40), (-50, 0, -10, 20)), _objects(), _objects((5, 5, 9, 9))]
    objects, counts, complete = move_objects(samples, [True] * 3, [_plain()] * 3)
    # The second box is out of sight.
    np.testing.assert_allclose(objects.boxes, [[1, 2, 30, 40], [5, 5, 9, 9]])
    assert counts == [1, 0, 1]
    assert complete == [True] * 3


def test_move_objects__mosaic_clips_at_the_cells():
    # The same box in all four cells, astride their common corner (64, 48).
    samples = [_objects((44, 28, 94, 68), label=i) for i in range(4)]
    objects, counts, complete = move_objects(samples, [True] * 4, [_mosaic(np.eye(3))])
    np.testing.assert_allclose(
        objects.boxes,
        [[44, 28, 64, 48], [64, 28, 94, 48], [44, 48, 64, 68], [64, 48, 94, 68]],
    )
    assert objects.labels.tolist() == [0, 1, 2, 3]
    # 20 % and 30 % of it can be seen.
    assert objects.crowd.tolist() == [True, False, True, False]
    assert (counts, complete) == ([4], [True])


@pytest.mark.parametrize('matrix', [np.eye(3), np.array([[-2.0, 1, 99], [0, 3, 5], [0, 0, 1]])])
def test_move_objects__cell_of_a_sample_that_lacks_boxes_is_ignored(matrix):
    samples = [_objects()] * 4
    recipes = [_plain(), _mosaic(matrix), _plain()]
    complete = [True, True, False, True, True, False]
    objects, counts, whole = move_objects([_objects(), *samples, _objects()], complete, recipes)
    np.testing.assert_allclose(objects.boxes, [CELLS[1]])
    assert objects.crowd.tolist() == [True]
    assert counts == [0, 1, 0]
    assert whole == [True, True, False]


def test_move_objects__a_region_to_ignore_stays_one():
    objects, _, _ = move_objects([_objects((10, 10, 50, 50), crowd=True)], [True], [_plain()])
    assert objects.crowd.tolist() == [True]


@pytest.mark.parametrize(
    ('box', 'ignored'),
    [
        ((20, 20, 40, 60), True),  # behind the paste
        ((20, 40, 40, 60), True),  # all of it
        ((20, 20, 46, 60), False),  # 31 % stick out
        ((70, 20, 90, 60), False),
    ],
)
def test_move_objects__what_a_paste_hides_is_ignored(box, ignored):
    paste = Tile(1, np.eye(3), (10, 10, 38, 80))
    recipe = Recipe([Tile(0, np.eye(3), (0, 0, *WH)), paste])
    samples = [_objects(box), _objects((14, 14, 34, 76), label=2)]
    objects, counts, complete = move_objects(samples, [True, True], [recipe])
    np.testing.assert_allclose(objects.boxes, [box, (14, 14, 34, 76)])
    assert objects.labels.tolist() == [1, 2]
    assert objects.crowd.tolist() == [ignored, False]
    assert (counts, complete) == ([2], [True])
