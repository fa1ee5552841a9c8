# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from model_tools.training.memory import (
    MemoryUsedUpError,
    enough_memory,
    is_out_of_memory,
    largest_fitting,
)

MORE_THAN_ANY = 10**15
CPU = torch.device('cpu')


@pytest.mark.parametrize('allocate', [torch.empty, np.empty])
def test_is_out_of_memory__of_a_cpu(allocate):
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        allocate(MORE_THAN_ANY)
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    ('error', 'expected'),
    [
        (torch.OutOfMemoryError('CUDA out of memory'), True),
        (MemoryError(), True),
        (RuntimeError('std::bad_alloc'), True),
        (RuntimeError('could not create a primitive'), True),
        (RuntimeError('could not create a primitive descriptor for the matmul primitive'), False),
        (RuntimeError('something else'), False),
        (ValueError("DefaultCPUAllocator: can't allocate memory"), False),
    ],
)
def test_is_out_of_memory(error, expected):
    assert is_out_of_memory(error) == expected


def test_enough_memory__is_one_sentence():
    with (
        pytest.raises(MemoryUsedUpError, match='memory of cpu does not hold') as caught,
        enough_memory(CPU),
    ):
        torch.empty(MORE_THAN_ANY)
    assert '\n' not in str(caught.value)
    with pytest.raises(RuntimeError, match='something else'), enough_memory(CPU):
        raise RuntimeError('something else')


@pytest.mark.parametrize(
    ('size', 'limit', 'expected'),
    [(16, 15, 8), (16, 8, 8), (16, 7, 4), (16, 1, 1), (16, 0, 0), (1, 0, 0), (12, 3, 3)],
)
def test_largest_fitting(size, limit, expected):
    tried = []

    def attempt(count):
        tried.append(count)
        if count > limit:
            torch.empty(MORE_THAN_ANY)

    assert largest_fitting(attempt, size) == expected
    assert tried == sorted(tried, reverse=True)
    assert size not in tried


def test_largest_fitting__other_errors_pass():
    def attempt(_):
        raise RuntimeError('something else')

    with pytest.raises(RuntimeError, match='something else'):
        largest_fitting(attempt, 2)
