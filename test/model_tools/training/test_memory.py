# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from model_tools.training.memory import largest_fitting


@pytest.mark.parametrize(
    ('size', 'limit', 'expected'),
    [(16, 15, 8), (16, 8, 8), (16, 7, 4), (16, 1, 1), (16, 0, 0), (1, 0, 0), (12, 3, 3)],
)
def test_largest_fitting(size, limit, expected):
    tried = []

    def attempt(count):
        tried.append(count)
        if count > limit:
            raise torch.OutOfMemoryError('too large')

    assert largest_fitting(attempt, size) == expected
    assert tried == sorted(tried, reverse=True)
    assert size not in tried


def test_largest_fitting__other_errors_pass():
    def attempt(_):
        raise RuntimeError('something else')

    with pytest.raises(RuntimeError, match='something else'):
        largest_fitting(attempt, 2)
