# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from model_tools.data.cache import SampleCache
from model_tools.data.epochs import EpochOrder, repeat_factors
from model_tools.data.problems import DatasetError


def _cache(labels, crowd=None, sources=None):
    n = len(labels)
    return SampleCache(
        images=torch.empty(n, 3, 2, 2, dtype=torch.uint8),
        masks=torch.empty(n, 2, 2, dtype=torch.uint8),
        boxes=[np.zeros((len(y), 4), np.float32) for y in labels],
        labels=[np.array(y, np.int64) for y in labels],
        crowd=[np.array(c, bool) for c in crowd or [[False] * len(y) for y in labels]],
        complete=[True] * n,
        names=[str(i) for i in range(n)],
        sources=sources or ['a'] * n,
        groups=['g'] * n,
    )


def _order(cache, synthetic=0, **changes):
    values = {'synthetic_share': 0.0, 'repeats': {}, 'rare_repeat': 0.0, 'seed': 0}
    return EpochOrder(cache, synthetic, **{**values, **changes})


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
def test_epoch_order__all_real_and_a_share_of_synthetic(real, synthetic, share, extra):
    order = _order(_cache([[]] * real), synthetic, synthetic_share=share)
    samples = order.samples(0)
    assert len(samples) == len(order) == real + extra
    assert sorted(samples[samples < real]) == list(range(real))
    drawn = samples[samples >= real]
    assert len(set(drawn)) == extra
    assert (drawn < real + synthetic).all()


def test_epoch_order__depends_on_seed_and_epoch_alone():
    first, second = (_order(_cache([[]] * 20), 20, synthetic_share=0.5) for _ in range(2))
    second.samples(7)
    np.testing.assert_array_equal(first.samples(3), second.samples(3))
    assert (first.samples(3) != first.samples(4)).any()
    other = _order(_cache([[]] * 20), 20, synthetic_share=0.5, seed=1)
    assert (first.samples(3) != other.samples(3)).any()


def test_epoch_order__a_source_that_is_not_there_is_refused():
    with pytest.raises(DatasetError, match=r"\['camwid'\], expected .*: \['a', 'b'\]"):
        _order(_cache([[]] * 2, sources=['b', 'a']), repeats={'camwid': 3})


def test_epoch_order__repeats_by_source():
    cache = _cache([[]] * 4, sources=['a', 'b', 'c', 'b'])
    order = _order(cache, 10, repeats={'b': 3, 'c': 0}, synthetic_share=0.3)
    assert len(order) == 10  # 1 + 3 + 0 + 3, and 3 of 10
    times = np.bincount(order.samples(0), minlength=14)
    assert times[:4].tolist() == [1, 3, 0, 3]
    assert times[4:].sum() == 3


@pytest.mark.parametrize(
    ('labels', 'crowd', 'expected'),
    [
        ([[], []], None, [1, 1]),
        ([[0], [0, 0], [], [0]], None, [1, 1, 1, 1]),
        # Label 1 is in 1 of 4 images with boxes; that without boxes does not count.
        ([[0], [0], [0], [0, 1], []], None, [1, 1, 1, 2**0.5, 1]),
        # The rarest label of an image decides.
        ([[0]] * 7 + [[0, 1, 2]] + [[1]] * 8, None, [1] * 7 + [8**0.5] + [1] * 8),
        # What is to be ignored is no example of a label.
        ([[0], [0], [0], [0, 1]], [[False]] * 3 + [[False, True]], [1, 1, 1, 1]),
    ],
)
def test_repeat_factors(labels, crowd, expected):
    np.testing.assert_allclose(repeat_factors(_cache(labels, crowd), 0.5), expected)


def test_epoch_order__rare_labels_come_more_often():
    labels = [[0]] * 90 + [[1]] * 10
    order = _order(_cache(labels), rare_repeat=0.2)  # factor of label 1: sqrt(2)
    assert len(order) == 90 + 14
    times = np.mean([np.bincount(order.samples(e), minlength=100) for e in range(300)], axis=0)
    assert (times[:90] == 1).all()
    np.testing.assert_allclose(times[90:], 1.4, atol=0.1)
    assert all(len(order.samples(e)) == 104 for e in range(10))
