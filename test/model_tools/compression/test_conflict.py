# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from model_tools.compression.conflict import conflict


@pytest.mark.parametrize(
    ('gradients', 'expected'),
    [
        ([(0, 0), (0, 0), (0, 0)], 0.0),
        ([(1, 0)], 0.0),
        ([(1, 0), (0, 0)], 0.0),
        ([(1, 0), (1, 1), (0, 1)], 0.0),
        ([(1, 0), (-1, 0), (0, 1)], 1.0),
        ([(1, 0), (-0.1, 0), (0, 1)], 0.1),  # cosine -1, silenced by the gate
        ([(1, 0), (-1, 1), (0, 1)], 0.5),  # cosine -0.7071, gate 0.7071
        ([(1, 0), (-1, 0), (0, 10)], 0.01),  # a third task that needs the filter far more
    ],
)
def test_conflict__worked_by_hand(gradients, expected):
    tasks = torch.tensor(gradients, dtype=torch.float32)[:, None]
    torch.testing.assert_close(conflict(tasks), torch.tensor([expected]))


def test_conflict__no_filter():
    assert conflict(torch.zeros(3, 0, 2)).shape == (0,)


def test_conflict__each_filter_on_its_own():
    gradients = torch.tensor(
        [[[1.0, 0.0], [0.0, 0.0], [2.0, 0.0]], [[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]]
    )
    torch.testing.assert_close(conflict(gradients), torch.tensor([1.0, 0.0, 0.0]))


def test_conflict__equals_the_gated_cosine():
    gradients = torch.randn(3, 40, 9, generator=torch.Generator().manual_seed(0))
    gradients *= torch.tensor([1.0, 0.1, 3.0])[:, None, None]
    norms = gradients.norm(dim=2)
    expected = torch.zeros(40)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        cosine = torch.cosine_similarity(gradients[i], gradients[j], dim=1)
        gate = (norms[i] * norms[j] / norms.square().amax(0)).clamp(max=1)
        expected = torch.maximum(expected, (-cosine).clamp(min=0) * gate)
    torch.testing.assert_close(conflict(gradients), expected)
    assert 0.2 < (expected > 0).float().mean() < 1
