# SPDX-License-Identifier: Apache-2.0
"""A small data set in the YOLOP layout: a bright road, a lane and a red box in each image."""

import json

import cv2
import numpy as np
import pytest
import torch

from model_tools.networks.panoptic_net import NetworkConfig

# Small networks gain nothing from threads, and lose much where another process is busy.
torch.set_num_threads(1)


@pytest.fixture(scope='session')
def small_network():
    return NetworkConfig(
        backbone_widths=(8, 8, 16, 16, 32),
        backbone_depths=(1, 1, 1, 1),
        detection_width=16,
        segmentation_width=16,
    )


@pytest.fixture(scope='session')
def road_folder(tmp_path_factory):
    root = tmp_path_factory.mktemp('roads')
    for split, count in (('train', 8), ('val', 2)):
        for i in range(count):
            write_road(root, split, f'road_{i}', column=20 + 8 * i)
    return root


def write_road(root, split, name, *, column):
    """Write one 160x96 image with every label."""
    image = np.full((96, 160, 3), 60, np.uint8)
    drivable = np.zeros((96, 160), np.uint8)
    drivable[48:] = 255
    lane = np.zeros((96, 160), np.uint8)
    lane[48:, 78:82] = 255
    image[drivable > 0] = 120
    image[lane > 0] = 255
    image[30:60, column : column + 24] = (0, 0, 255)
    record = {
        'name': f'{name}.jpg',
        'attributes': {'source': 'toy', 'group': name, 'box_label': 'real'},
        'frames': [
            {
                'timestamp': 0,
                'objects': [
                    {
                        'category': 'car',
                        'id': 0,
                        'attributes': {'crowd': False},
                        'box2d': {'x1': column, 'y1': 30, 'x2': column + 24, 'y2': 60},
                    }
                ],
            }
        ],
    }
    files = {
        ('images', 'jpg'): cv2.imencode('.jpg', image)[1].tobytes(),
        ('da_seg_annotations', 'png'): cv2.imencode('.png', drivable)[1].tobytes(),
        ('ll_seg_annotations', 'png'): cv2.imencode('.png', lane)[1].tobytes(),
        ('det_annotations', 'json'): json.dumps(record).encode(),
    }
    for (folder, suffix), content in files.items():
        path = root / folder / split / f'{name}.{suffix}'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
