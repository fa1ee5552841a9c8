# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.evaluation.experts.contender import Contender
from model_tools.evaluation.experts.timing import Times, time_interleaved


@pytest.fixture
def contenders():
    calls = []

    def contender(name):
        return Contender(
            name=name,
            parameters_m=0.0,
            predictor=lambda image, _: calls.append((name, int(image[0, 0, 0]))),
            network_alone=lambda image: lambda: None,
        )

    return [contender('a'), contender('b'), contender('c')], calls


def test_time_interleaved__order_rotates_after_the_warm_up(contenders):
    contenders, calls = contenders
    images = [np.full((2, 2, 3), i, np.uint8) for i in range(4)]
    times = time_interleaved(contenders, images, threads=1)
    assert calls[:6] == [('a', 0), ('a', 0), ('b', 0), ('b', 0), ('c', 0), ('c', 0)]
    turns = ''.join(name for name, _ in calls[6:])
    assert turns == 'abcbcacababc'
    assert [image for _, image in calls[6:]] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert [t.whole_wall.shape for t in times] == [(4,)] * 3


def test_summary__medians_and_ratio_image_by_image():
    # The machine slows down threefold: the ratio does not care.
    first = Times(*np.array([[10, 10, 30], [8, 8, 24], [9, 9, 27], [7, 7, 21]], float))
    other = Times(*np.array([[20, 22, 60], [16, 16, 48], [18, 18, 54], [14, 14, 42]], float))
    assert other.summary(first) == {
        'whole': {'wall_ms': 22.0, 'cpu_ms': 16.0},
        'network': {'wall_ms': 18.0, 'cpu_ms': 14.0},
        'cpu_ratio': {'median': 2.0, 'quartiles': [2.0, 2.0]},
    }
