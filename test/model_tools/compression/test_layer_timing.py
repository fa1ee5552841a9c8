# SPDX-License-Identifier: Apache-2.0
from itertools import accumulate
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_tools.compression.layer_timing import RUNS, mean_of_the_last, measure
from model_tools.compression.layers import Layer

CONV = (('strides', (1, 1)), ('pads', (1, 1, 1, 1)), ('dilations', (1, 1)))


def test_mean_of_the_last__worked_by_hand():
    assert mean_of_the_last([10.0, 6.0, 5.0, 4.5], 2) == 3.0  # of 10, 2, 3 and 3


@given(st.lists(st.floats(0, 1000), min_size=4, max_size=30), st.integers(1, 3))
def test_mean_of_the_last__of_running_means(numbers, first):
    means = [total / (i + 1) for i, total in enumerate(accumulate(numbers))]
    assert mean_of_the_last(means, first) == pytest.approx(mean(numbers[first:]), abs=1e-6)


@given(st.lists(st.integers(0, 9000), min_size=4, max_size=30), st.integers(1, 3))
def test_mean_of_the_last__of_means_cut_to_whole_ticks(numbers, first):
    means = [total // (i + 1) for i, total in enumerate(accumulate(numbers))]
    count = len(numbers)
    wrong = mean_of_the_last(means, first) - mean(numbers[first:])
    assert -count <= wrong * (count - first) <= first


@pytest.mark.parametrize('engine', RUNS)
def test_measure__no_layer_takes_nothing(engine):
    layer = Layer('Concat', ((1, 4, 4, 4),) * 2, (('axis', 1),))
    assert measure({'': layer}, engine=engine, threads=1)[''] > 0


@pytest.mark.parametrize('engine', RUNS)
def test_measure__larger_layers_take_longer(engine):
    layers = {
        f'{kind} {width}': layer
        for width in (16, 128)
        for kind, layer in {
            'dense': Layer(
                'Conv', ((1, width, 64, 64), (width, width, 3, 3)), (*CONV, ('group', 1)), 'Silu'
            ),
            'concat': Layer('Concat', ((1, width, 64, 64),) * 2, (('axis', 1),)),
        }.items()
    }
    found = measure(layers, engine=engine, threads=1)
    assert found['dense 128'] > 8 * found['dense 16'] > 0  # of 64 times the products
    assert found['concat 128'] > 2 * found['concat 16'] > 0
