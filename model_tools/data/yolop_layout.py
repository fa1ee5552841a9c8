# SPDX-License-Identifier: Apache-2.0
"""Read a data set in the YOLOP layout: images, BDD100K 2018 JSON, drivable and lane PNG masks."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from model_tools.data.sample import LABEL_OF_CATEGORY, LABELS, Sample

MASK_FOLDERS = {'drivable': 'da_seg_annotations', 'lane': 'll_seg_annotations'}


class DatasetError(ValueError):
    """A data set folder or one of its files is not what the layout says."""


def list_names(root: Path, split: str) -> list[str]:
    """Return the stems of all images of a split, sorted."""
    folder = root / 'images' / split
    names = sorted(p.stem for p in folder.glob('*.jpg'))
    if not names:
        raise DatasetError(
            f"'{folder}': expected .jpg images of the YOLOP layout, found none; "
            'is the data set unpacked?'
        )
    return names


def read_sample(root: Path, split: str, name: str) -> Sample:
    """Read one image with every label that exists for it."""
    image_path = root / 'images' / split / f'{name}.jpg'
    image = cv2.imread(str(image_path), cv2.IMREAD_COLOR)
    if image is None:
        raise DatasetError(f"'{image_path}': expected a JPEG image, found none that decodes")
    record = _read_json(root / 'det_annotations' / split / f'{name}.json')
    attributes = record.get('attributes', {})
    boxes, labels, crowd = _objects(record, image.shape)
    masks = {
        task: _read_mask(root / f / split / f'{name}.png', image)
        for task, f in MASK_FOLDERS.items()
    }
    return Sample(
        name=name,
        source=str(attributes.get('source', 'unknown')),
        group=str(attributes.get('group', 'unknown')),
        image=image,
        boxes=boxes,
        labels=labels,
        crowd=crowd,
        boxes_complete=attributes.get('box_label', 'real') != 'pseudo-detector',
        drivable=masks['drivable'],
        lane=masks['lane'],
    )


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise DatasetError(f"'{path}': expected a BDD100K 2018 label file: {error}") from error


def _objects(record: dict, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    height, width = shape[:2]
    boxes, labels, crowd = [], [], []
    for frame in record.get('frames', ()):
        for item in frame.get('objects', ()):
            label = LABEL_OF_CATEGORY.get(item['category'])
            if label is None or 'box2d' not in item:
                continue
            x1, y1, x2, y2 = (float(item['box2d'][k]) for k in ('x1', 'y1', 'x2', 'y2'))
            box = (max(x1, 0.0), max(y1, 0.0), min(x2, width), min(y2, height))
            if box[2] <= box[0] or box[3] <= box[1]:
                continue
            boxes.append(box)
            labels.append(LABELS.index(label))
            crowd.append(bool(item.get('attributes', {}).get('crowd', False)))
    return (
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int64),
        np.array(crowd, bool),
    )


def _read_mask(path: Path, image: np.ndarray) -> np.ndarray | None:
    if not path.is_file():
        return None
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if mask is None or mask.shape != image.shape[:2]:
        found = 'nothing that decodes' if mask is None else f'{mask.shape[1]}x{mask.shape[0]}'
        raise DatasetError(
            f"'{path}': expected a mask of {image.shape[1]}x{image.shape[0]}, found {found}"
        )
    return mask
