# SPDX-License-Identifier: Apache-2.0
"""
Tell where a network errs about the road: how far from the edge, in how few images.

python docs/results/teacher/road_errors.py --model MODEL --data DATA --split val \
    --out docs/results/teacher/road_errors.json
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from model_tools.data.problems import Problems
from model_tools.data.readers import open_data, read_samples
from model_tools.data.sample import IGNORE
from model_tools.evaluation.predictors import make_predictors
from model_tools.evaluation.protocol import PROTOCOLS

BANDS = (2, 4, 8, 16, 32, 64)  # px of the source image, from the edge of the labelled road
WORST = 10


def main() -> None:
    """Count false and missed road pixels of each source, by band and by image."""
    parser = argparse.ArgumentParser()
    for name in ('model', 'data', 'split', 'out'):
        parser.add_argument(f'--{name}', required=True)
    arguments = parser.parse_args()
    predictor = make_predictors(Path(arguments.model), [PROTOCOLS['dataset']])[0][0]
    threshold = predictor.describe()['thresholds']['drivable']
    data = open_data(Path(arguments.data))
    images: dict[str, list[dict]] = {}
    for sample in read_samples(data, arguments.split, Problems(1)):
        if sample.drivable is not None:
            probability = predictor(sample.image, sample.name).drivable
            images.setdefault(sample.source, []).append(
                {'image': sample.name, **errors(sample.drivable, probability, threshold)}
            )
    record = {'model': predictor.describe(), 'sources': {k: table(v) for k, v in images.items()}}
    Path(arguments.out).write_text(json.dumps(record, indent=1) + '\n')


def errors(label: np.ndarray, probability: np.ndarray, threshold: float) -> dict:
    """Count pixels of one image, false and missed ones by distance from the road's edge."""
    found = cv2.resize(probability, label.shape[::-1]) > threshold * 255
    road, known = label == 255, label != IGNORE
    inside, outside = (
        cv2.distanceTransform(side.astype(np.uint8), cv2.DIST_L2, 3) for side in (road, ~road)
    )
    band = np.digitize(np.where(road, inside, outside), BANDS, right=True)
    count = len(BANDS) + 1
    return {
        'both': int((found & road & known).sum()),
        'false': np.bincount(band[found & ~road & known], minlength=count),
        'missed': np.bincount(band[~found & road & known], minlength=count),
    }


def table(images: list[dict]) -> dict:
    """Return shares of the union, and what the images with the most errors weigh."""
    both = sum(i['both'] for i in images)
    false, missed = (np.sum([i[k] for i in images], axis=0) for k in ('false', 'missed'))
    wrong = np.array([i['false'].sum() + i['missed'].sum() for i in images])
    union = both + wrong.sum()
    worst = np.argsort(-wrong, kind='stable')[:WORST]
    rest = union - sum(images[i]['both'] + wrong[i] for i in worst)
    names = [f'to {b} px' for b in BANDS] + [f'over {BANDS[-1]} px']
    return {
        'images': len(images),
        'iou': round(both / union, 4),
        'false_share': dict(zip(names, np.round(false / union, 4).tolist(), strict=True)),
        'missed_share': dict(zip(names, np.round(missed / union, 4).tolist(), strict=True)),
        'worst': [images[i]['image'] for i in worst],
        'share_of_errors_in_the_worst': round(float(wrong[worst].sum() / wrong.sum()), 4),
        'iou_without_the_worst': round(
            float((both - sum(images[i]['both'] for i in worst)) / rest), 4
        ),
    }


if __name__ == '__main__':
    main()
