# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.data.synthetic.labels import drawn, visible_boxes

WHOLE = slice(0, 40), slice(0, 60)


def painted(*rectangles):
    """Paint rectangles (x1, y1, x2, y2) one over the other; return the plane and the users."""
    owner = np.zeros((40, 60), np.int16)
    users = []
    for number, (x1, y1, x2, y2) in enumerate(rectangles, start=1):
        owner[y1:y2, x1:x2] = number
        users.append(drawn(owner, number, 'car', WHOLE))
    return owner, users


def test_drawn__nothing_in_view():
    assert drawn(np.zeros((40, 60), np.int16), 1, 'car', WHOLE) is None
    assert visible_boxes(np.zeros((40, 60), np.int16), []) == []


@pytest.mark.parametrize(
    ('rectangles', 'boxes'),
    [
        ([(10, 5, 30, 15)], [((10, 5, 30, 15), 0.0, False)]),
        ([(0, 5, 20, 15)], [((0, 5, 20, 15), 0.0, True)]),
        ([(40, 30, 60, 40)], [((40, 30, 60, 40), 0.0, True)]),
        # The second hides the right half of the first: the box is what is left of it.
        (
            [(10, 5, 30, 15), (20, 0, 40, 20)],
            [((10, 5, 20, 15), 0.5, False), ((20, 0, 40, 20), 0.0, True)],
        ),
        # Hidden but for 5 %: no label. Too small: no label.
        ([(10, 5, 30, 15), (11, 0, 40, 20)], [((11, 0, 40, 20), 0.0, True)]),
        ([(10, 5, 30, 8)], []),
        ([(10, 5, 12, 11)], []),
    ],
)
def test_visible_boxes(rectangles, boxes):
    owner, users = painted(*rectangles)
    found = [(box.xyxy, box.occlusion, box.truncated) for box in visible_boxes(owner, users)]
    assert found == boxes
