# SPDX-License-Identifier: Apache-2.0
"""
Write the input of prepare.json: a tree as BDD100K distributes it, with labels of 2018.

python docs/results/prepare_tree.py TREE 2000
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np

from model_tools.data.synthetic.export import FrameSource, Settings

PICTURES = 12
CATEGORIES = ('car', 'person', 'truck', 'traffic light', 'bus', 'rider', 'bike')
AREAS = ('area/drivable', 'area/alternative', 'area/alternative')


def write_tree(root: Path, images: int) -> None:
    """Repeat a few synthetic frames under other names, each with labels of its own."""
    rng = np.random.default_rng(0)
    source = FrameSource(Settings(frames=PICTURES, seed=9, size_wh=(1280, 720)))
    pictures = [
        cv2.imencode('.jpg', source.frame(i)[0].image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
        for i in range(PICTURES)
    ]
    folders = root / 'images/100k/train', root / 'labels/100k/train'
    for folder in folders:
        folder.mkdir(parents=True)
    attributes = {'weather': 'clear', 'scene': 'city street', 'timeofday': 'daytime'}
    for i in range(images):
        name = f'{i:08x}'
        frame = {'timestamp': 10000, 'objects': [*boxes(rng), *lane_edges(rng), *areas()]}
        record = {'name': name, 'attributes': attributes, 'frames': [frame]}
        (folders[0] / f'{name}.jpg').write_bytes(pictures[i % PICTURES])
        (folders[1] / f'{name}.json').write_text(json.dumps(record))


def boxes(rng: np.random.Generator) -> list[dict]:
    """Return 25 boxes, some of them past the border."""
    objects = []
    for number in range(25):
        x, y, width, height = rng.uniform((0, 250, 8, 8), (1200, 600, 200, 120))
        box = {'x1': x, 'y1': y, 'x2': x + width, 'y2': y + height}
        category = CATEGORIES[number % len(CATEGORIES)]
        objects.append({'category': category, 'id': number, 'attributes': {}, 'box2d': box})
    return objects


def lane_edges(rng: np.random.Generator) -> list[dict]:
    """Return both edges, Beziers, of 8 lines that run towards a vanishing point."""
    attributes = {'direction': 'parallel', 'style': 'solid'}
    objects = []
    for _ in range(8):
        bottom, top = rng.uniform((-200, 580), (1480, 700))
        for side in (-1, 1):
            points = [
                (bottom + 9 * side, 719),
                (0.70 * bottom + 0.30 * top + 6 * side, 600),
                (0.35 * bottom + 0.65 * top + 4 * side, 500),
                (top + side, 380),
            ]
            poly2d = [[x, y, kind] for (x, y), kind in zip(points, 'LCCC', strict=True)]
            category = 'lane/single white'
            objects.append({'category': category, 'attributes': attributes, 'poly2d': poly2d})
    return objects


def areas() -> list[dict]:
    """Return 3 drivable areas whose far end is a Bezier."""
    objects = []
    for number, category in enumerate(AREAS):
        x = 300 + 300 * number
        poly2d = [
            *([x - 200, 719, 'L'], [x + 200, 719, 'L'], [700, 420, 'C']),
            *([680, 410, 'C'], [660, 400, 'C'], [620, 400, 'L']),
        ]
        objects.append({'category': category, 'attributes': {}, 'poly2d': poly2d})
    return objects


if __name__ == '__main__':
    write_tree(Path(sys.argv[1]), int(sys.argv[2]))
