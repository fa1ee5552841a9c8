# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model_tools.data.synthetic.export import FrameSource, Settings
from model_tools.data.tools import similarity
from model_tools.data.tools.check import MAX_DISTANCE
from model_tools.data.tools.similarity import HASH_BITS, difference_hash, near_pairs

RAMP = np.broadcast_to(np.arange(0, 204, 12, dtype=np.uint8)[:, None], (16, 17, 3))  # 17 columns
NONE, ALL = np.zeros(HASH_BITS, bool), np.ones(HASH_BITS, bool)


@pytest.fixture(scope='module')
def frames():
    source = FrameSource(Settings(frames=8, seed=5, size_wh=(320, 192)))
    return [source.frame(index)[0].image for index in (0, 4)]


@pytest.mark.parametrize(
    ('image', 'expected'),
    [
        (np.full((40, 60, 3), 77, np.uint8), NONE),
        (RAMP, ALL),
        (RAMP[:, ::-1], NONE),
        (RAMP.repeat(9, axis=0).repeat(5, axis=1), ALL),
        (np.ascontiguousarray(RAMP.transpose(1, 0, 2)[:16, :16].repeat(4, axis=1)), NONE),
        (np.full((1, 1, 3), 5, np.uint8), NONE),
    ],
    ids=['flat', 'rising', 'falling', 'rising, enlarged', 'rising downwards', 'one pixel'],
)
def test_difference_hash__closed_cases(image, expected):
    before = image.copy()
    np.testing.assert_array_equal(difference_hash(np.ascontiguousarray(image)), expected)
    np.testing.assert_array_equal(image, before)


def test_difference_hash__one_step_sets_one_column():
    image = np.zeros((160, 170, 3), np.uint8)
    image[:, 50:] = 200
    bits = difference_hash(image).reshape(16, 16)
    assert np.flatnonzero(bits.all(axis=0)).tolist() == [4]
    assert bits.sum() == 16


def test_difference_hash__mirrored_is_turned_round_where_nothing_is_level():
    rng = np.random.default_rng(0)
    image = np.array([rng.permutation(17) * 15 for _ in range(16)], np.uint8)[..., None]
    image = image.repeat(3, axis=2)
    bits = difference_hash(image).reshape(16, 16)
    mirrored = difference_hash(np.ascontiguousarray(image[:, ::-1])).reshape(16, 16)
    np.testing.assert_array_equal(mirrored, ~bits[:, ::-1])


@pytest.mark.parametrize(
    'change',
    [
        lambda image: cv2.imdecode(cv2.imencode('.jpg', image, [1, 60])[1], cv2.IMREAD_COLOR),
        lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        lambda image: (255 * (image / 255.0) ** 0.8).astype(np.uint8),
    ],
    ids=['re-encoded', 'half size', 'gamma'],
)
def test_difference_hash__a_copy_is_near_and_another_scene_is_far(frames, change):
    first, second = (difference_hash(frame) for frame in frames)
    copy = difference_hash(change(frames[0]))
    assert np.count_nonzero(copy != first) <= MAX_DISTANCE
    assert np.count_nonzero(copy != second) > 2 * MAX_DISTANCE


def test_difference_hash__does_not_see_brightness(frames):
    dark = frames[0] // 2
    np.testing.assert_array_equal(difference_hash(dark + 40), difference_hash(dark))


def hashes(*counts):
    """Return hashes whose first n bits are set."""
    return np.arange(HASH_BITS) < np.array(counts, int).reshape(-1, 1)


@pytest.mark.parametrize(
    ('first', 'second', 'max_distance', 'count', 'images', 'closest', 'pairs'),
    [
        ([], [], 10, 0, 0, None, []),
        ([], [3], 10, 0, 0, None, []),
        ([3], [], 10, 0, 0, None, []),
        ([3], None, 10, 0, 0, None, []),
        ([0], [256], 255, 0, 0, (0, 0, 256), []),
        ([0], [256], 256, 1, 1, (0, 0, 256), [(0, 0, 256)]),
        ([5, 20], [5, 9], 0, 1, 1, (0, 0, 0), [(0, 0, 0)]),
        ([5, 20], [9, 7], 4, 2, 2, (0, 1, 2), [(0, 1, 2), (0, 0, 4)]),
        ([5, 20], [9, 30], 3, 0, 0, (0, 0, 4), []),
        ([5, 9, 90], None, 4, 1, 2, (0, 1, 4), [(0, 1, 4)]),
        ([5, 5, 5], None, 0, 3, 3, (0, 1, 0), [(0, 1, 0), (0, 2, 0), (1, 2, 0)]),
    ],
)
def test_near_pairs__table(first, second, max_distance, count, images, closest, pairs):
    second = None if second is None else hashes(*second)
    found = near_pairs(hashes(*first), second, max_distance=max_distance)
    assert (found.count, found.images) == (count, images)
    assert found.closest == closest
    assert found.pairs == pairs


def test_near_pairs__names_no_more_than_asked_and_counts_all():
    found = near_pairs(hashes(*[7] * 50), max_distance=0, keep=10)
    assert (found.count, found.images, len(found.pairs)) == (50 * 49 // 2, 50, 10)


few_bits = st.integers(0, 9).flatmap(lambda n: arrays(bool, (n, 4)))


@given(few_bits, few_bits, st.integers(0, 4), st.booleans())
def test_near_pairs__as_counted_one_by_one(first, second, max_distance, within):
    """The first four bits differ, the others do not; blocks of a few rows each."""
    first, second = (np.pad(bits, ((0, 0), (0, HASH_BITS - 4))) for bits in (first, second))
    second = first if within else second
    expected = {
        (i, j, int(np.count_nonzero(a != b)))
        for i, a in enumerate(first)
        for j, b in enumerate(second)
        if not (within and j <= i)
    }
    near = {pair for pair in expected if pair[2] <= max_distance}
    block, similarity._BLOCK = similarity._BLOCK, 2 * max(len(second), 1)
    try:
        found = near_pairs(first, None if within else second, max_distance=max_distance)
    finally:
        similarity._BLOCK = block
    assert set(found.pairs) == near
    assert found.count == len(near)
    assert [d for *_, d in found.pairs] == sorted(d for *_, d in near)
    assert found.images == len({i for pair in near for i in pair[within ^ 1 : 2]})
    if expected:
        assert found.closest in expected
        assert found.closest[2] == min(pair[2] for pair in expected)
