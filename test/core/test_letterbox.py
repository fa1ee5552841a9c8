# SPDX-License-Identifier: Apache-2.0
"""Hand-worked geometry and round trips in both directions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from panoptic_perception.core.letterbox import Letterbox

BOX = [[100, 200, 300, 400]]
sides = st.integers(1, 4096)
sizes = st.tuples(sides, sides)


@pytest.mark.parametrize(
    ('source_wh', 'network_wh', 'content_wh', 'pad', 'gain', 'box'),
    [
        ((1280, 720), (640, 384), (640, 360), (0, 12), (0.5, 0.5), [50, 112, 150, 212]),
        (
            (1920, 1208),
            (640, 384),
            (610, 384),
            (15, 0),
            (610 / 1920, 384 / 1208),
            [46.7708, 63.5762, 110.3125, 127.1523],
        ),
        ((640, 480), (640, 384), (512, 384), (64, 0), (0.8, 0.8), [144, 160, 304, 320]),
        ((640, 384), (640, 384), (640, 384), (0, 0), (1, 1), [100, 200, 300, 400]),
        ((320, 192), (640, 384), (640, 384), (0, 0), (2, 2), [200, 400, 600, 800]),
        ((639, 384), (640, 384), (639, 384), (0, 0), (1, 1), [100, 200, 300, 400]),
        ((8192, 1), (640, 384), (640, 1), (0, 191), (640 / 8192, 1), [7.8125, 391, 23.4375, 591]),
    ],
)
def test_letterbox__worked_cases(source_wh, network_wh, content_wh, pad, gain, box):
    letterbox = Letterbox(source_wh, network_wh)
    assert letterbox.content_wh == content_wh
    assert letterbox.pad == pad
    assert letterbox.gain == pytest.approx(gain)
    np.testing.assert_allclose(letterbox.boxes_to_network(BOX), [box], atol=1e-4)


@pytest.mark.parametrize('wh', [(0, 720), (1280, 0), (-1, 5)])
def test_letterbox__refuses_empty_sizes(wh):
    with pytest.raises(ValueError, match='positive'):
        Letterbox(wh, (640, 384))
    with pytest.raises(ValueError, match='positive'):
        Letterbox((640, 384), wh)


def test_letterbox__empty_arrays_keep_shape_and_type():
    letterbox = Letterbox((1280, 720), (640, 384))
    for boxes in (np.empty((0, 4)), []):
        for mapped in (letterbox.boxes_to_network(boxes), letterbox.boxes_to_source(boxes)):
            assert mapped.shape == (0, 4)
            assert mapped.dtype == np.float32
    assert letterbox.points_to_source([]).shape == (0, 2)


@given(source_wh=sizes, network_wh=sizes, data=st.data())
def test_letterbox__round_trip(source_wh, network_wh, data):
    letterbox = Letterbox(source_wh, network_wh)
    fraction = st.floats(0, 1)
    box = np.array([data.draw(fraction) for _ in range(4)]) * np.tile(source_wh, 2)
    box = np.concatenate((np.minimum(box[:2], box[2:]), np.maximum(box[:2], box[2:])))
    before = box.copy()
    mapped = letterbox.boxes_to_network(box[None])
    np.testing.assert_allclose(letterbox.boxes_to_source(mapped)[0], box, atol=0.5)
    np.testing.assert_allclose(
        letterbox.points_to_source(mapped.reshape(2, 2)), box.reshape(2, 2), atol=0.5
    )
    np.testing.assert_array_equal(box, before)


@given(source_wh=sizes, network_wh=sizes)
def test_letterbox__content_touches_two_borders_and_is_centred(source_wh, network_wh):
    letterbox = Letterbox(source_wh, network_wh)
    for axis in range(2):
        left = letterbox.pad[axis]
        right = network_wh[axis] - letterbox.content_wh[axis] - left
        assert 0 <= left <= right <= left + 1
    assert 0 in letterbox.pad


def test_boxes_to_source__clips_to_the_image():
    letterbox = Letterbox((1280, 720), (640, 384))
    clipped = letterbox.boxes_to_source([[-10, 0, 700, 384], [0, 0, 640, 12]])
    assert clipped.tolist() == [[0, 0, 1280, 720], [0, 0, 1280, 0]]


def test_points_to_source__does_not_clip():
    letterbox = Letterbox((1280, 720), (640, 384))
    assert letterbox.points_to_source([[-10, 0]]).tolist() == [[-20, -24]]


def test_image__bars_and_content():
    letterbox = Letterbox((8, 4), (4, 4), pad_value=9)
    source = np.repeat(np.arange(8, dtype=np.uint8) * 10, 3).reshape(1, 8, 3).repeat(4, axis=0)
    boxed = letterbox.image(source)
    assert (boxed[[0, 3]] == 9).all()
    np.testing.assert_array_equal(boxed[1:3, :, 0], [[5, 25, 45, 65]] * 2)


@given(source_wh=st.tuples(st.integers(1, 90), st.integers(1, 90)))
def test_image__fills_a_dirty_buffer(source_wh):
    letterbox = Letterbox(source_wh, (64, 40))
    source = np.full((source_wh[1], source_wh[0], 3), 200, np.uint8)
    buffer = np.random.default_rng(0).integers(0, 256, (40, 64, 3), np.uint8)
    boxed = letterbox.image(source, out=buffer)
    assert boxed is buffer
    np.testing.assert_array_equal(boxed, letterbox.image(source))
    assert (letterbox.content(boxed) == 200).all()
    bars = boxed.size - letterbox.content(boxed).size
    assert np.count_nonzero(boxed == 114) == bars


def test_image__reads_views():
    letterbox = Letterbox((6, 4), (12, 12))
    wide = np.random.default_rng(0).integers(0, 256, (4, 10, 3), np.uint8)
    read_only = np.ascontiguousarray(wide[:, 2:8])
    read_only.flags.writeable = False
    np.testing.assert_array_equal(letterbox.image(wide[:, 2:8]), letterbox.image(read_only))


@pytest.mark.parametrize(
    ('source', 'out', 'words'),
    [
        (np.zeros((4, 6), np.uint8), None, 'source image'),
        (np.zeros((6, 4, 3), np.uint8), None, 'source image'),
        (np.zeros((4, 6, 3)), None, 'float64'),
        (np.zeros((4, 6, 3), np.uint8), np.zeros((12, 11, 3), np.uint8), 'output buffer'),
    ],
)
def test_image__refuses_other_shapes_and_types(source, out, words):
    with pytest.raises(ValueError, match=words):
        Letterbox((6, 4), (12, 12)).image(source, out)


def test_content__is_a_view_without_bars():
    plane = np.zeros((384, 640), np.uint8)
    content = Letterbox((1280, 720), (640, 384)).content(plane)
    assert content.shape == (360, 640)
    assert np.shares_memory(content, plane)
