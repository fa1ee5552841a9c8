# SPDX-License-Identifier: Apache-2.0
"""One road image with its labels, whatever data set it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

IGNORE = 127
"""Mask value of a pixel whose class is not known."""


@dataclass(frozen=True, eq=False)
class Sample:
    """An image with its labels; `None` where a task was not labelled."""

    name: str
    """File name without its suffix; holds '/' where the data set has sub-folders."""
    image: np.ndarray
    """(H, W, 3) uint8, BGR."""
    attributes: Mapping[str, str]
    """As labelled: timeofday, weather, scene, source, group, box_label, ..."""
    boxes: np.ndarray
    """(N, 4) float32, x1 y1 x2 y2 in pixels, clipped to the image."""
    labels: np.ndarray
    """(N,) int64, index into the label set."""
    crowd: np.ndarray
    """(N,) bool: a region to ignore, neither hit nor miss."""
    boxes_complete: bool
    """Whether every object has a box; if not, places without a box say nothing."""
    drivable: np.ndarray | None
    """(H, W) uint8: 0, 255 or IGNORE."""
    drivable_direct: np.ndarray | None
    """As `drivable` with alternative lanes as 0; None where the labels do not tell them apart."""
    lane: np.ndarray | None
    """(H, W) uint8: 0, 255 or IGNORE."""

    @property
    def source(self) -> str:
        """Return the data set that the image was taken from."""
        return self.attributes.get('source', 'unknown')

    @property
    def group(self) -> str:
        """Return the drive, city or sequence; an image of which none is known is its own."""
        return self.attributes.get('group', self.name)
