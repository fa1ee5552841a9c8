# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.evaluation.experts.nanodet import NanoDetDecoder
from panoptic_perception.core.letterbox import Letterbox

NETWORK_WH = (64, 32)
SAME = Letterbox(NETWORK_WH, NETWORK_WH)


@pytest.fixture
def outputs():
    return [np.zeros(shape, np.float32) for shape in NanoDetDecoder(NETWORK_WH).output_shapes]


def set_distances(bins, distances):
    """Make the expectation of each side known: all weight on one bin, or on two neighbours."""
    sides = bins.reshape(4, 8)
    sides[:] = 0
    for side, distance in zip(sides, distances, strict=True):
        side[int(np.floor(distance))] = side[int(np.ceil(distance))] = 200.0


def test_call__distances_from_the_centre(outputs):
    cell = 1 * 8 + 2  # row 1, column 2 of stride 8: centre (20, 12)
    outputs[0][0, cell, 7] = 0.6
    set_distances(outputs[3][0, cell], [1, 0.5, 7, 1])
    found = NanoDetDecoder(NETWORK_WH)(outputs, SAME)
    # 20 - 8, 12 - 4, 20 + 56 clipped to the image, 12 + 8
    np.testing.assert_allclose(found.boxes, [[12, 8, 64, 20]], atol=1e-3)
    np.testing.assert_allclose(found.scores, [0.6], atol=1e-6)
    assert found.labels.tolist() == [0]


@pytest.mark.parametrize(
    ('stage', 'cell', 'box', 'label'),
    [
        (0, 31, [52, 20, 64, 32], 1),  # centre (60, 28), one stride of 8 to each side
        (1, 5, [8, 8, 40, 32], 1),  # centre (24, 24), 16
        (2, 1, [16, 0, 64, 32], 1),  # centre (48, 16), 32
    ],
)
def test_call__each_stride(outputs, stage, cell, box, label):
    outputs[stage][0, cell, 0] = 0.5
    set_distances(outputs[3 + stage][0, cell], [1, 1, 1, 1])
    found = NanoDetDecoder(NETWORK_WH)(outputs, SAME)
    np.testing.assert_allclose(found.boxes, [box], atol=1e-3)
    assert found.labels.tolist() == [label]


def test_call__softmax_of_equal_logits_is_the_middle(outputs):
    outputs[2][0, 0, 1] = 0.5
    found = NanoDetDecoder((64, 32))(outputs, Letterbox((640, 320), NETWORK_WH))
    # 3.5 strides of 32 to each side of (16, 16) fill the image
    np.testing.assert_allclose(found.boxes, [[0, 0, 640 * 1.0, 320]], atol=1e-3)
    assert found.labels.tolist() == [2]


def test_call__nothing_found(outputs):
    found = NanoDetDecoder(NETWORK_WH)(outputs, SAME)
    assert (found.boxes.shape, found.scores.shape, found.labels.shape) == ((0, 4), (0,), (0,))


def test_output_shapes__as_published():
    cells = (2704, 676, 169)
    expected = (*((1, n, 80) for n in cells), *((1, n, 32) for n in cells))
    assert NanoDetDecoder((416, 416)).output_shapes == expected
