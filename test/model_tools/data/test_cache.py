# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model_tools.data.cache import build_cache, pack_masks, place, require_labels, unpack_masks
from model_tools.data.problems import DatasetError
from model_tools.data.sample import IGNORE, Sample

MASKS = hnp.arrays(np.uint8, (4, 6), elements=st.sampled_from([0, IGNORE, 255]))


def _sample(wh=(64, 32), **changes):
    width, height = wh
    values = {
        'name': 'a/b',
        'image': np.full((height, width, 3), 200, np.uint8),
        'attributes': {'source': 's', 'group': 'g'},
        'boxes': np.array([[0, 0, width / 2, height]], np.float32),
        'labels': np.array([2]),
        'crowd': np.array([False]),
        'boxes_complete': True,
        'drivable': np.full((height, width), 255, np.uint8),
        'drivable_direct': None,
        'lane': None,
    }
    return Sample(**{**values, **changes})


def _unlabelled(**changes):
    return _sample(
        boxes=np.empty((0, 4), np.float32),
        labels=np.empty(0, int),
        crowd=np.empty(0, bool),
        boxes_complete=False,
        drivable=None,
        **changes,
    )


@given(MASKS, MASKS)
def test_pack_masks__round_trip(drivable, lane):
    planes = unpack_masks(torch.from_numpy(pack_masks(drivable, lane, (6, 4)))).numpy()
    for i, mask in enumerate((drivable, lane)):
        np.testing.assert_array_equal(planes[..., i], mask == 255)
        np.testing.assert_array_equal(planes[..., 2 + i], mask != IGNORE)


@pytest.mark.parametrize(
    ('square', 'share', 'known'),
    [
        ([[0, 0], [0, 0]], 0, 1),
        ([[255, 255], [0, 0]], 0.5, 1),
        ([[255, 0], [0, 0]], 4 / 14, 1),  # a quarter, to the nearest fourteenth
        ([[255, 0], [IGNORE, IGNORE]], 0.5, 1),  # among what is known
        ([[255, IGNORE], [IGNORE, IGNORE]], 0, 0),
        ([[IGNORE, IGNORE], [IGNORE, IGNORE]], 0, 0),
    ],
)
def test_pack_masks__shrunk_to_one_pixel(square, share, known):
    mask = np.array(square, np.uint8)
    drivable = unpack_masks(torch.from_numpy(pack_masks(mask, None, (1, 1))))
    np.testing.assert_allclose(drivable[0, 0], [share, 0, known, 0], atol=1e-6)
    lane = unpack_masks(torch.from_numpy(pack_masks(None, mask, (1, 1))))
    np.testing.assert_allclose(lane[0, 0], [0, share, 0, known], atol=1e-6)


def test_pack_masks__none_is_unknown():
    np.testing.assert_array_equal(pack_masks(None, None, (3, 2)), np.zeros((2, 3)))


def test_build_cache__samples_of_several_sizes():
    lane = np.zeros((90, 30), np.uint8)
    samples = [_sample(), _sample((30, 90), name='tall', lane=lane, drivable=None)]
    cache = build_cache(iter(samples), (64, 48))
    assert len(cache) == 2
    assert cache.canvas_wh == (64, 48)
    images, masks = torch.stack(cache.images), torch.stack(cache.masks)
    assert images.shape == (2, 3, 48, 64)
    assert cache.images[0].stride() == (1, 64 * 3, 3)  # channels last
    assert cache.names == ['a/b', 'tall']
    assert (cache.sources, cache.groups) == (['s', 's'], ['g', 'g'])
    assert cache.complete == [True, True]
    # 64x32 fits as it is between bars of 8 rows, 30x90 shrinks to 16x48 between 24 columns.
    np.testing.assert_allclose(cache.boxes[0], [[0, 8, 32, 40]])
    np.testing.assert_allclose(cache.boxes[1], [[24, 0, 32, 48]], rtol=1e-6)
    np.testing.assert_array_equal(cache.labels[0], [2])
    for plane, content in zip(images[:, 0], (np.s_[8:40], np.s_[:, 24:40]), strict=True):
        expected = torch.full((48, 64), 114, dtype=torch.uint8)
        expected[content] = 200
        assert torch.equal(plane, expected)
    shares = unpack_masks(masks)
    assert shares[0].sum((0, 1)).tolist() == [64 * 32, 0, 64 * 32, 0]
    assert shares[1].sum((0, 1)).tolist() == [0, 0, 0, 16 * 48]


def test_build_cache__takes_one_byte_a_channel_and_one_for_the_masks():
    assert build_cache([_sample()] * 2, (640, 384)).nbytes == 2 * 640 * 384 * 4


@pytest.mark.parametrize(
    ('samples', 'words'),
    [
        ([], 'no images to train on'),
        ([_unlabelled(), _unlabelled()], 'no labels for any task: 2 images'),
        ([_unlabelled(lane=np.full((32, 64), IGNORE, np.uint8))], 'no labels for any task'),
    ],
)
def test_require_labels__nothing_to_learn_from(samples, words):
    with pytest.raises(DatasetError, match=words):
        require_labels(build_cache(samples, (64, 32)))


def test_require_labels__one_label_of_one_task_is_enough():
    lane = np.full((32, 64), IGNORE, np.uint8)
    lane[0, 0] = 0
    require_labels(build_cache([_unlabelled(), _unlabelled(lane=lane)], (64, 32)))


@pytest.mark.parametrize('chosen', [[], [1], [2, 0]])
def test_sample_cache__select_takes_of_each_field(chosen):
    cache = build_cache([_sample(name=f'{i}', labels=np.array([i])) for i in range(3)], (64, 32))
    some = cache.select(chosen)
    assert some.names == [str(i) for i in chosen]
    assert [labels.tolist() for labels in some.labels] == [[i] for i in chosen]
    for image, i in zip(some.images, chosen, strict=True):
        assert image.data_ptr() == cache.images[i].data_ptr()


def test_sample_cache__to_copies_into_one_block():
    samples = [_sample(image=np.full((32, 64, 3), i, np.uint8)) for i in range(3)]
    cache = build_cache(samples, (64, 32))
    copy = cache.to(torch.device('cpu'))
    assert torch.equal(torch.stack(copy.images), torch.stack(cache.images))
    assert torch.equal(torch.stack(copy.masks), torch.stack(cache.masks))
    assert [x.stride() for x in copy.images] == [x.stride() for x in cache.images]
    places = [x.data_ptr() - copy.images[0].data_ptr() for x in copy.images]
    assert places == [0, 64 * 32 * 3, 2 * 64 * 32 * 3]


def test_place__on_a_cpu_it_stays():
    cache = build_cache([_sample()], (64, 32))
    assert place(cache, torch.device('cpu')) is cache
