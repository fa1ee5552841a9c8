# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.data.augmentation import TRAINING
from model_tools.data.dataset import AugmentedSamples, EpochSampler, collate
from model_tools.data.problems import Problems
from model_tools.data.readers import open_data, read_samples


def _indices(sampler, epoch):
    sampler.epoch = epoch
    return [index for _, index in sampler]


@pytest.mark.parametrize(
    ('real', 'synthetic', 'share', 'extra'),
    [
        (8, 0, 0.5, 0),
        (8, 100, 0.0, 0),
        (8, 100, 0.5, 8),
        (90, 100, 0.1, 10),
        (90, 4, 0.1, 4),  # fewer than asked for
    ],
)
def test_epoch_sampler__all_real_and_a_share_of_synthetic(real, synthetic, share, extra):
    sampler = EpochSampler(real, synthetic, share, seed=0)
    indices = _indices(sampler, 0)
    assert len(indices) == len(sampler) == real + extra
    assert sorted(i for i in indices if i < real) == list(range(real))
    drawn = [i for i in indices if i >= real]
    assert len(set(drawn)) == extra
    assert all(i < real + synthetic for i in drawn)


def test_epoch_sampler__order_depends_on_the_epoch_alone():
    first, second = (EpochSampler(20, 20, 0.5, seed=1) for _ in range(2))
    assert _indices(first, 3) == _indices(second, 3)
    assert _indices(first, 3) != _indices(first, 4)


def test_augmented_samples__batch_of_what_make_example_returns(road_folder):
    samples = list(read_samples(open_data(road_folder), 'train', Problems(8)))
    dataset = AugmentedSamples(samples, (160, 96), TRAINING, seed=0)
    examples = [dataset[2, i] for i in range(3)]
    batch = collate(examples)
    assert batch.images.shape == (3, 3, 96, 160)
    assert batch.masks.shape == batch.known.shape == (3, 2, 48, 80)
    for i, example in enumerate(examples):
        np.testing.assert_array_equal(batch.images[i].permute(1, 2, 0).numpy(), example.image)
        np.testing.assert_array_equal(batch.boxes[i].numpy(), example.boxes)
    np.testing.assert_array_equal(dataset[2, 1].image, examples[1].image)
    assert (dataset[3, 1].image != examples[1].image).any()
