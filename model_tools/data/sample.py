# SPDX-License-Identifier: Apache-2.0
"""One labelled road image, and which categories the network calls what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

IGNORE = 127
"""Mask value of a pixel whose class is not known."""

LABELS = ('vehicle', 'person', 'cycle')
LABEL_OF_CATEGORY = {
    'car': 'vehicle',
    'truck': 'vehicle',
    'bus': 'vehicle',
    'train': 'vehicle',
    'person': 'person',
    'pedestrian': 'person',
    'rider': 'person',
    'bike': 'cycle',
    'bicycle': 'cycle',
    'motor': 'cycle',
    'motorcycle': 'cycle',
}


@dataclass(frozen=True)
class Sample:
    """An image with its labels; `None` where a task was not labelled."""

    name: str
    source: str
    group: str
    """Drive, city or sequence: groups never straddle splits."""
    image: np.ndarray
    """(H, W, 3) uint8, BGR."""
    boxes: np.ndarray
    """(N, 4) float32, x1 y1 x2 y2 in pixels."""
    labels: np.ndarray
    """(N,) int64, index into LABELS."""
    crowd: np.ndarray
    """(N,) bool: a region to ignore, neither hit nor miss."""
    boxes_complete: bool
    """Whether every object has a box; if not, cells without a box say nothing."""
    drivable: np.ndarray | None
    """(H, W) uint8: 0, 255 or IGNORE."""
    lane: np.ndarray | None
    """(H, W) uint8: 0, 255 or IGNORE."""
