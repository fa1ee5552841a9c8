# SPDX-License-Identifier: Apache-2.0
"""Write the result of one frame as JSON, masks and overlay."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np

from panoptic_perception.core.codec import encode_jpeg
from panoptic_perception.core.files import write_whole
from panoptic_perception.core.results import PanopticResult


def write_result(
    folder: Path,
    name: str,
    result: PanopticResult,
    overlay: np.ndarray | None,
    kinds: Collection[str],
) -> None:
    """Write the files of one frame: NAME.json, NAME.drivable.png and so on."""
    stem = folder / name
    stem.parent.mkdir(parents=True, exist_ok=True)
    if 'json' in kinds:
        text = json.dumps(result_json(name, result))
        write_whole(_file(stem, '.json'), text.encode())
    if 'masks' in kinds:
        write_whole(_file(stem, '.drivable.png'), _png(result.drivable_mask()))
        write_whole(_file(stem, '.lane.png'), _png(result.lane_mask()))
    if 'overlay' in kinds and overlay is not None:
        write_whole(_file(stem, '.overlay.jpg'), encode_jpeg(overlay, quality=90))


def result_json(name: str, result: PanopticResult) -> dict[str, object]:
    """Return the result as JSON values; boxes and lanes are in source pixels."""
    found = result.detections
    width, height = result.source_wh
    return {
        'image': name,
        'width': width,
        'height': height,
        'detections': [
            {
                'label': result.labels[int(label)],
                'score': round(float(score), 4),
                'box': [round(float(value), 2) for value in box],
            }
            for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True)
        ],
        'lanes': [
            [[round(float(x), 1), round(float(y), 1)] for x, y in line] for line in result.lanes()
        ],
    }


def _file(stem: Path, ending: str) -> Path:
    # Not with_suffix: a name such as 'drive.2024-05-01' holds dots of its own.
    return stem.with_name(stem.name + ending)


def _png(mask: np.ndarray) -> bytes:
    # OpenCV's own settings are already the fastest for flat areas.
    return cv2.imencode('.png', mask)[1].tobytes()
