# SPDX-License-Identifier: Apache-2.0
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from model_tools.data.augmentation import TRAINING, Augmentation
from model_tools.data.batches import BatchSource, plain_batch
from model_tools.data.cache import build_cache
from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers import open_data, read_samples

CPU = torch.device('cpu')
WH = (96, 64)


@pytest.fixture(scope='module')
def cache(road_folder):
    return build_cache(read_samples(open_data(road_folder), 'train', Problems(8)), (160, 96))


def _source(cache, synthetic=None, **changes):
    values = {'input_wh': WH, 'augmentation': TRAINING, 'batch_size': 4, 'device': CPU}
    return BatchSource(cache, synthetic, **{**values, **changes})


def _values(batch):
    return [getattr(batch, f.name) for f in fields(batch)]


def _assert_equal(first, second):
    for a, b in zip(_values(first), _values(second), strict=True):
        if isinstance(a, torch.Tensor):
            assert torch.equal(a, b)
        elif a and isinstance(a[0], torch.Tensor):
            assert all(map(torch.equal, a, b))
        else:
            assert a == b


def test_plain_batch__is_the_letterboxed_sample(cache):
    batch = plain_batch(cache, [2, 5], WH)
    # 160x96 shrinks to 96x58 between bars of 3 rows; the box begins at column 20 + 8 i.
    assert batch.images.shape == (2, 3, 64, 96)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.masks.shape == batch.known.shape == (2, 2, 32, 48)
    assert batch.names == ['road_2', 'road_5']
    assert batch.complete == [True, True]
    top, bottom = 3 + 30 * 58 / 96, 3 + 60 * 58 / 96
    np.testing.assert_allclose(batch.boxes[0], [[36 * 0.6, top, 60 * 0.6, bottom]], rtol=1e-5)
    np.testing.assert_allclose(batch.boxes[1], [[60 * 0.6, top, 84 * 0.6, bottom]], rtol=1e-5)
    blue, green, red = batch.images[0, :, 30, 24:34].float().mean(1)
    assert red > 240
    assert max(blue, green) < 20
    assert not batch.known[:, :, 0].any()
    assert batch.known[:, :, 3:29].all()
    assert (batch.masks[:, 0, 18:28] == 255).all()
    assert not batch.masks[:, 0, 2:14].any()


def test_batch_source__the_same_step_gives_the_same_batch(cache):
    straight, resumed = _source(cache), _source(cache)
    batches = [straight.batch(step) for step in range(4)]
    _assert_equal(resumed.batch(3), batches[3])
    _assert_equal(straight.batch(1), batches[1])
    assert not torch.equal(batches[0].images, batches[2].images)


def test_batch_source__changes_differ_by_position_epoch_and_seed(cache):
    one = replace(cache, images=cache.images[:1] * 8)
    source, other = _source(one), _source(one, seed=1)
    batches = source.batch(0), source.batch(len(source)), other.batch(0)
    pictures = torch.cat([batch.images for batch in batches])
    assert len(pictures.flatten(1).unique(dim=0)) == 12


def test_batch_source__dealt_to_two_processes_it_is_the_same(cache):
    whole = _source(cache, batch_size=4)
    halves = [_source(cache, batch_size=2, rank=rank, world=2) for rank in range(2)]
    assert len(whole) == len(halves[0]) == len(halves[1]) == 2
    for step in (0, 1, 5):
        expected = whole.batch(step)
        first, second = (half.batch(step) for half in halves)
        joined = [
            torch.cat((a, b)) if isinstance(a, torch.Tensor) else a + b
            for a, b in zip(_values(first), _values(second), strict=True)
        ]
        _assert_equal(type(expected)(*joined), expected)


def test_batch_source__an_epoch_holds_every_sample_once(cache):
    plain = Augmentation()
    source = _source(cache, augmentation=plain, batch_size=3)
    assert len(source) == 2  # of 8 samples 2 are left out, other ones in each epoch
    names = [source.batch(step).names for step in range(4)]
    assert len({*names[0], *names[1]}) == 6
    assert len({*names[2], *names[3]}) == 6
    source = _source(cache, augmentation=plain, batch_size=4)
    assert sorted(source.batch(0).names + source.batch(1).names) == sorted(cache.names)


def test_batch_source__without_augmentation_it_is_the_plain_batch(cache):
    batch = _source(cache, augmentation=Augmentation()).batch(0)
    indices = [cache.names.index(name) for name in batch.names]
    _assert_equal(plain_batch(cache, indices, WH), batch)


def test_batch_source__real_and_synthetic(cache):
    drawn = replace(cache, names=[f'synthetic_{i}' for i in range(8)])
    source = _source(
        cache, drawn, augmentation=Augmentation(), synthetic_share=0.5, repeats={'toy': 2}
    )
    assert len(source) == (16 + 8) // 4
    names = [name for step in range(len(source)) for name in source.batch(step).names]
    assert sum(name.startswith('synthetic') for name in names) == 8
    assert all(names.count(name) == 2 for name in cache.names)


def test_batch_source__mosaic_names_its_four_samples(cache):
    source = _source(cache, augmentation=Augmentation(mosaic=1.0))
    batch = source.batch(0)
    assert all(len(name.split(' + ')) == 4 for name in batch.names)
    source.augmentation = replace(source.augmentation, mosaic=0.0)
    assert all(' + ' not in name for name in source.batch(0).names)


def test_batch_source__pasted_objects_lie_in_the_picture(cache):
    batch = _source(cache, augmentation=Augmentation(copy_paste=1.0)).batch(0)
    assert all(' + ' in name for name in batch.names)
    assert sum(map(len, batch.boxes)) >= 8
    for picture, boxes, crowd in zip(batch.images, batch.boxes, batch.crowd, strict=True):
        for x1, y1, x2, y2 in boxes[~crowd].int().tolist():
            _, green, red = picture[:, (y1 + y2) // 2, (x1 + x2) // 2].tolist()
            assert red > 240 > 20 > green


def test_batch_source__samples_without_labels_of_a_task(cache):
    nothing = np.empty((0, 4), np.float32), np.empty(0, np.int64), np.empty(0, bool)
    bare = replace(
        cache,
        masks=[torch.zeros_like(mask) for mask in cache.masks],
        boxes=[nothing[0]] * 8,
        labels=[nothing[1]] * 8,
        crowd=[nothing[2]] * 8,
    )
    batch = _source(bare).batch(0)
    assert [b.shape for b in batch.boxes] == [(0, 4)] * 4
    assert [(x.dtype, c.dtype) for x, c in zip(batch.labels, batch.crowd, strict=True)] == [
        (torch.int64, torch.bool)
    ] * 4
    assert not batch.known.any()
    assert not batch.masks.any()


def test_batch__to_a_device(cache):
    batch = _source(cache).batch(0)
    _assert_equal(batch.to(CPU), batch)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'batch_size': 9}, '8 images to train on are fewer than one batch of 9'),
        ({'batch_size': 5, 'world': 2}, 'fewer than one batch of 10'),
    ],
)
def test_batch_source__too_few_images(cache, changes, words):
    with pytest.raises(DatasetError, match=words):
        _source(cache, **changes)
