# SPDX-License-Identifier: Apache-2.0
"""A data set of different scenes, to plant faults in."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

LAYOUT = {
    'image': ('images', 'jpg'),
    'record': ('det_annotations', 'json'),
    'drivable': ('da_seg_annotations', 'png'),
    'lane': ('ll_seg_annotations', 'png'),
}


@dataclass(frozen=True)
class Roads:
    """A tree in the YOLOP layout, and where each of its files is."""

    root: Path

    def path(self, split, name, kind='image'):
        folder, suffix = LAYOUT[kind]
        return self.root / folder / split / f'{name}.{suffix}'

    def write(self, split, name, *, seed, quality=95, objects=(), **attributes):
        """Write a 160x90 image: the lower half is road with a lane 16 px wide, its top ignored."""
        scene = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), np.uint8)
        image = cv2.resize(scene, (160, 90), interpolation=cv2.INTER_CUBIC)
        drivable, lane = np.zeros((2, 90, 160), np.uint8)
        drivable[45:] = 255
        drivable[45:54] = 127
        lane[45:, 80:96] = 255
        record = {
            'name': f'{name}.jpg',
            'attributes': attributes,
            'frames': [{'objects': list(objects)}],
        }
        content = {
            'image': cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes(),
            'record': json.dumps(record).encode(),
            'drivable': cv2.imencode('.png', drivable)[1].tobytes(),
            'lane': cv2.imencode('.png', lane)[1].tobytes(),
        }
        for kind, value in content.items():
            path = self.path(split, name, kind)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(value)


def car(x1, y1, x2, y2, *, category='car', crowd=False):
    return {
        'category': category,
        'attributes': {'crowd': crowd},
        'box2d': {'x1': x1, 'y1': y1, 'x2': x2, 'y2': y2},
    }


@pytest.fixture
def roads(tmp_path):
    """Write four training and two validation images, all different and nothing wrong."""
    roads = Roads(tmp_path / 'roads')
    for split, seeds in (('train', range(4)), ('val', range(4, 6))):
        for seed in seeds:
            day = ('daytime', 'night')[seed % 2]
            roads.write(
                split,
                f'{split}_{seed}',
                seed=seed,
                objects=[car(10, 20, 30, 40), car(50, 20, 60, 60, category='person', crowd=True)],
                source='toy',
                group=f'drive {seed}',
                timeofday=day,
            )
    return roads
