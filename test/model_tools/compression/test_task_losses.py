# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch

from model_tools.compression.task_losses import TASKS, PanopticLosses
from model_tools.data.batches import Batch
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.training.config import TrainingConfig
from model_tools.training.losses import TaskLosses
from model_tools.training.task_weights import TaskWeights

CONFIG = TrainingConfig(data='roads', box_weight=3.0, drivable_weight=0.5, lane_weight=2.0)


@pytest.fixture
def net(small_network):
    torch.manual_seed(0)
    return PanopticNet(small_network).eval()


def batch(*, complete=True, drivable=True, lane=True):
    """Return two 64x64 images with a vehicle in the first one."""
    known = torch.zeros(2, 2, 32, 32, dtype=torch.bool)
    known[:, 0], known[:, 1] = drivable, lane
    boxes = [torch.tensor([[16.0, 16.0, 32.0, 32.0]]), torch.zeros(0, 4)]
    return Batch(
        images=torch.full((2, 3, 64, 64), 90, dtype=torch.uint8),
        boxes=boxes if complete else [torch.zeros(0, 4)] * 2,
        labels=[torch.zeros(int(complete), dtype=torch.long), torch.zeros(0, dtype=torch.long)],
        crowd=[torch.zeros(int(complete), dtype=torch.bool), torch.zeros(0, dtype=torch.bool)],
        complete=[complete] * 2,
        masks=torch.full((2, 2, 32, 32), 255, dtype=torch.uint8),
        known=known,
    )


@pytest.mark.parametrize(
    ('labels', 'tasks'),
    [
        ({'complete': False, 'drivable': False, 'lane': False}, []),
        ({'complete': False, 'drivable': False}, ['lane']),
        ({'lane': False}, ['detection', 'drivable']),
        ({}, list(TASKS)),
    ],
)
def test_panoptic_losses__only_of_labelled_tasks(net, labels, tasks):
    assert list(PanopticLosses(CONFIG)(net, batch(**labels))) == tasks


def test_panoptic_losses__sum_is_what_training_minimises(net):
    losses = PanopticLosses(CONFIG)(net, batch())
    plain = PanopticLosses(replace(CONFIG, box_weight=0.0, drivable_weight=1.0, lane_weight=1.0))
    boxes = PanopticLosses(replace(CONFIG, box_weight=1.0))
    classes, drivable, lane = plain(net, batch()).values()
    box = boxes(net, batch())['detection'] - classes
    parts = TaskLosses(classes, box, drivable, lane, torch.ones(3, dtype=torch.bool))
    total, _ = TaskWeights(CONFIG)(parts)
    torch.testing.assert_close(sum(losses.values()), total)
    assert box > 0
