# SPDX-License-Identifier: Apache-2.0
"""Fit a camera image into a public network's input the way that network was trained."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cv2
import numpy as np

from panoptic_perception.core.letterbox import Letterbox


class CornerLetterbox(Letterbox):
    """A letterbox whose content lies in the top left corner."""

    @cached_property
    def pad(self) -> tuple[int, int]:
        """Nothing to the left and above: both bars are on the far sides."""
        return 0, 0


class Stretch(Letterbox):
    """A plain resize: the content fills the network's input, whatever its shape."""

    @cached_property
    def content_wh(self) -> tuple[int, int]:
        """Width and height of the network's input."""
        return self.network_wh


FITS = {'letterbox': Letterbox, 'corner letterbox': CornerLetterbox, 'stretch': Stretch}


@dataclass(frozen=True)
class InputFormat:
    """How a network wants its image; `mean` and `std` have the order of the network's channels."""

    fit: Literal['letterbox', 'corner letterbox', 'stretch']
    values: str
    """Order of the channels and range of the values, in words."""
    pad_value: int = 114
    rgb: bool = False
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


class Fitter:
    """Turns images into network inputs; for use by one thread, since it reuses its canvas."""

    def __init__(self, form: InputFormat, network_wh: tuple[int, int]) -> None:
        self.geometry = f'{form.fit} {network_wh[0]}x{network_wh[1]}'
        self._fit = FITS[form.fit]
        self._network_wh = network_wh
        self._pad_value = form.pad_value
        self._canvas = np.empty((network_wh[1], network_wh[0], 3), np.uint8)
        self._to_blob = cv2.dnn.Image2BlobParams(
            scalefactor=tuple(1 / s for s in form.std), mean=form.mean, swapRB=form.rgb
        )

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, Letterbox]:
        """Return the input (1, 3, H, W) float32 for a BGR image, and the geometry to go back."""
        source_wh = image.shape[1], image.shape[0]
        letterbox = self._fit(source_wh, self._network_wh, self._pad_value)
        letterbox.image(image, out=self._canvas)
        return cv2.dnn.blobFromImageWithParams(self._canvas, self._to_blob), letterbox
