# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from model_tools.training.config import TrainingConfig
from model_tools.training.losses import TaskLosses
from model_tools.training.task_weights import TaskWeights

ALL = (True, True, True)


def _losses(*values, labelled=ALL):
    return TaskLosses(*(torch.tensor(v) for v in values), torch.tensor(labelled))


def _weights(kind):
    return TaskWeights(
        TrainingConfig(
            data='d', task_weights=kind, box_weight=2.0, drivable_weight=0.5, lane_weight=3.0
        )
    )


@pytest.mark.parametrize('kind', ['fixed', 'learned'])
def test_task_weights__begin_with_the_fixed_factors(kind):
    loss, parts = _weights(kind)(_losses(1.0, 2.0, 3.0, 4.0))
    assert parts.tolist() == [1.0, 4.0, 1.5, 12.0]
    assert loss.item() == 18.5


def test_task_weights__learned_ones_find_the_minimum():
    weights = _weights('learned')
    optimizer = torch.optim.SGD(weights.parameters(), lr=0.5)
    for _ in range(400):
        optimizer.zero_grad()
        weights(_losses(1.0, 1.0, 1.0, 1.0))[0].backward()
        optimizer.step()
    # exp(-s) L + s / 2 is least where exp(-s) = 1 / (2 L), L being 1 + 2, 0.5 and 3
    expected = {'detection': 1 / 6, 'drivable': 1.0, 'lane': 1 / 6}
    assert weights.learned() == pytest.approx(expected, rel=1e-3)


def test_task_weights__a_task_without_labels_is_left_alone():
    weights = _weights('learned')
    loss, _ = weights(_losses(1.0, 1.0, 0.0, 1.0, labelled=(True, False, True)))
    loss.backward()
    assert weights.log_variance.grad.tolist() == pytest.approx([0.5 - 3, 0, 0.5 - 3])


def test_task_weights__fixed_ones_have_nothing_to_learn():
    weights = _weights('fixed')
    assert list(weights.parameters()) == []
    assert weights.learned() == {}
