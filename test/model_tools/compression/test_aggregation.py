# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from model_tools.compression.aggregation import normalise, safe_importance, vetoed


def test_normalise__mean_over_all_groups_is_one():
    found = normalise({'a': torch.tensor([1.0, 2.0, 3.0]), 'b': torch.tensor([10.0])})
    torch.testing.assert_close(found['a'], torch.tensor([0.25, 0.5, 0.75]))
    torch.testing.assert_close(found['b'], torch.tensor([2.5]))


def test_normalise__a_task_that_no_channel_matters_to():
    assert normalise({'a': torch.zeros(2)})['a'].tolist() == [0, 0]


def test_safe_importance__keeps_what_one_task_depends_on():
    channels = {'a': (0.9, 0.0, 0.0), 'b': (0.4, 0.4, 0.4)}  # by task
    importance = {
        task: {name: torch.tensor([values[i]]) for name, values in channels.items()}
        for i, task in enumerate(('detection', 'drivable', 'lane'))
    }
    safe = safe_importance(importance)
    assert safe['a'] == pytest.approx(0.9)
    assert safe['b'] == pytest.approx(0.4)
    assert sum(channels['a']) < sum(channels['b'])  # a sum would keep b instead


@pytest.mark.parametrize(
    ('share', 'a', 'b'),
    [
        (0.0, [False, False, False], [False, False]),
        (0.2, [False, False, True], [True, False]),
        (0.4, [False, True, True], [True, True]),
        (1.0, [True, True, True], [True, True]),
    ],
)
def test_vetoed__best_of_any_task(share, a, b):
    found = vetoed(
        {
            'one': {'a': torch.tensor([0.0, 4.0, 5.0]), 'b': torch.tensor([1.0, 2.0])},
            'two': {'b': torch.tensor([9.0, 8.0]), 'a': torch.tensor([1.0, 2.0, 3.0])},
        },
        share,
    )
    assert found['a'].tolist() == a
    assert found['b'].tolist() == b


def test_vetoed__equal_channels_by_name_then_index():
    importance = {'one': {'b': torch.ones(2), 'a': torch.ones(2)}}
    found = vetoed(importance, 0.25)
    assert found['a'].tolist() == [False, False]
    assert found['b'].tolist() == [False, True]
