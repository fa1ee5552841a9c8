# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.data.augmentation import TRAINING, Augmentation, make_example
from model_tools.data.sample import IGNORE, Sample

NETWORK_WH = (640, 384)
GEOMETRY = Augmentation(scale=(0.7, 1.7), shift=0.15, flip=0.5)


def _sample(box=(200, 100, 300, 220), **changes):
    """Make a black image with one white rectangle: the object, the road and the lane at once."""
    image = np.zeros((360, 480, 3), np.uint8)
    mask = np.zeros((360, 480), np.uint8)
    x1, y1, x2, y2 = box
    image[y1:y2, x1:x2] = mask[y1:y2, x1:x2] = 255
    values = {
        'name': 'n',
        'image': image,
        'attributes': {},
        'boxes': np.array([box], np.float32),
        'labels': np.array([1]),
        'crowd': np.array([False]),
        'boxes_complete': True,
        'drivable': mask,
        'drivable_direct': None,
        'lane': mask,
    }
    return Sample(**{**values, **changes})


def _extent(plane):
    rows, columns = np.nonzero(plane)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def test_make_example__no_change_is_the_letterbox():
    example = make_example(_sample(), NETWORK_WH, Augmentation(), np.random.default_rng(0))
    gain, left = 512 / 480, 64
    expected = np.array([200 * gain + left, 100 * gain, 300 * gain + left, 220 * gain])
    np.testing.assert_allclose(example.boxes, [expected], atol=1e-3)
    assert example.image.shape == (384, 640, 3)
    assert (example.image[:, :63] == 114).all()


@pytest.mark.parametrize('seed', range(12))
def test_make_example__image_box_and_masks_move_together(seed):
    example = make_example(_sample(), NETWORK_WH, GEOMETRY, np.random.default_rng(seed))
    drawn = _extent((example.image > 160).all(2))
    np.testing.assert_allclose(example.boxes[0], drawn, atol=1.5)
    for share in example.masks:
        np.testing.assert_allclose(_extent(share > 127) * 2, drawn, atol=2.5)


def test_make_example__same_seed_same_bytes():
    first, second = (
        make_example(_sample(), NETWORK_WH, TRAINING, np.random.default_rng(5)) for _ in range(2)
    )
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.masks, second.masks)


def test_make_example__unlabelled_task_is_unknown_everywhere():
    example = make_example(
        _sample(lane=None), NETWORK_WH, Augmentation(), np.random.default_rng(0)
    )
    assert example.known[0].any()
    assert not example.known[1].any()


def test_make_example__bars_and_ignore_pixels_are_unknown():
    mask = np.full((360, 480), 255, np.uint8)
    mask[:180] = IGNORE
    example = make_example(
        _sample(drivable=mask), NETWORK_WH, Augmentation(), np.random.default_rng(0)
    )
    assert not example.known[0, :95].any()
    assert not example.known[0, :, :31].any()
    assert example.known[0, 97:, 33:287].all()
    assert (example.masks[0, 97:, 33:287] == 255).all()


@pytest.mark.parametrize(
    ('box', 'kept', 'crowd'),
    [
        ((200, 100, 300, 220), 1, False),
        ((200, 100, 202, 220), 1, True),  # too thin to learn from
    ],
)
def test_make_example__small_boxes_become_regions_to_ignore(box, kept, crowd):
    example = make_example(_sample(box), NETWORK_WH, Augmentation(), np.random.default_rng(0))
    assert len(example.boxes) == kept
    assert example.crowd.tolist() == [crowd] * kept


def test_make_example__image_without_objects():
    sample = _sample(
        boxes=np.empty((0, 4), np.float32), labels=np.empty(0, int), crowd=np.empty(0, bool)
    )
    example = make_example(sample, NETWORK_WH, TRAINING, np.random.default_rng(1))
    assert example.boxes.shape == (0, 4)
