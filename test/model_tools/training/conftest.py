# SPDX-License-Identifier: Apache-2.0
import pytest

from model_tools.training.config import TrainingConfig


@pytest.fixture(scope='session')
def config(road_folder, small_network):
    """Return settings of 3 epochs of 2 steps."""
    return TrainingConfig(
        data=str(road_folder),
        input_wh=(160, 96),
        canvas_wh=(160, 96),
        epochs=3,
        batch_size=4,
        warmup_steps=2,
        look_every=0,
        network=small_network,
    )
