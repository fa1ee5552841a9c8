# SPDX-License-Identifier: Apache-2.0
"""Small networks: of random weights, and a teacher that has seen the toy roads."""

from dataclasses import replace

import pytest
import torch
from torch.optim.swa_utils import update_bn

from model_tools.compression.config import CompressionConfig
from model_tools.compression.distillation import Distillation
from model_tools.data.augmentation import Augmentation
from model_tools.networks.config import NetworkConfig
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.training.config import TrainingConfig
from model_tools.training.trainer import train


@pytest.fixture
def images():
    """Return 12 images of noise, 96x64."""
    return torch.rand(12, 3, 64, 96, generator=torch.Generator().manual_seed(1)) * 255


@pytest.fixture
def make_net(small_network, images):
    """Return what makes a network of random weights by seed, whose deep features vary enough."""

    def make(seed):
        torch.manual_seed(seed)
        net = PanopticNet(small_network).eval()
        update_bn([images], net)
        return net

    return make


@pytest.fixture(scope='session')
def training(road_folder, tmp_path_factory):
    return TrainingConfig(
        data=str(road_folder),
        cache=str(tmp_path_factory.mktemp('cache')),
        holdout_groups=('road_6', 'road_7'),
        input_wh=(160, 96),
        canvas_wh=(160, 96),
        epochs=1,
        batch_size=3,
        precision='32-true',  # bfloat16 is slow on many CPUs, and comes out otherwise on each
        learning_rate=2e-3,  # at which the slow means of BatchNorms can follow
        warmup_steps=2,
        augmentation=Augmentation(flip=0.5),
        repeats={'toy': 4},
        look_every=0,
        network=NetworkConfig(
            backbone_widths=(16, 16, 32, 32, 64),
            backbone_depths=(1, 1, 1, 1),
            detection_width=16,
            segmentation_width=16,
        ),
    )


@pytest.fixture(scope='session')
def config(training, tmp_path_factory):
    """Return settings that halve a teacher which has seen the road."""
    lessons = replace(training, epochs=12, learning_rate=1e-2)
    teacher = train(lessons, tmp_path_factory.mktemp('teacher'))
    return CompressionConfig(
        training=replace(training, network=NetworkConfig(), distillation=Distillation()),
        teacher=str(teacher.with_name('weights.pt')),
        budget='macs',
        keep=0.5,
        rounds=2,
        last_epochs=6,
        cost_power=0.0,
        calibration_batches=4,
        recalibration_images=6,
        allowed_fall=1.0,
    )
