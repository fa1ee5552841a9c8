# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from model_tools.training.boxes import ciou, iou, pairwise_iou


@pytest.mark.parametrize(
    ('a', 'b', 'expected'),
    [
        ([0, 0, 10, 10], [5, 0, 15, 10], 1 / 3),
        ([0, 0, 10, 10], [0, 0, 10, 5], 1 / 2),
        ([0, 0, 10, 10], [20, 20, 30, 30], 0.0),
        ([0, 0, 10, 10], [0, 0, 10, 10], 1.0),
        ([5, 5, 5, 5], [0, 0, 10, 10], 0.0),
    ],
)
def test_iou(a, b, expected):
    a, b = torch.tensor(a, dtype=torch.float), torch.tensor(b, dtype=torch.float)
    assert iou(a, b).item() == pytest.approx(expected, abs=1e-6)
    assert pairwise_iou(a[None], b[None]).item() == iou(b, a).item()


def test_pairwise_iou__empty():
    assert pairwise_iou(torch.zeros(0, 4), torch.zeros(3, 4)).shape == (0, 3)


def test_ciou__worked_case():
    a = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    b = torch.tensor([[5.0, 0.0, 15.0, 10.0]])  # IoU 1/3, hull 15 x 10, centres 5 apart
    assert ciou(a, b).item() == pytest.approx(1 / 3 - 25 / 325, abs=1e-5)
    assert ciou(a, a).item() == pytest.approx(1.0, abs=1e-5)


def test_ciou__other_shape_costs_more():
    a = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    wide = torch.tensor([[-5.0, 2.5, 15.0, 7.5]])
    assert ciou(a, wide) < pairwise_iou(a, wide)[0]
