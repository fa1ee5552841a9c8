# SPDX-License-Identifier: Apache-2.0
"""Fit camera images into the network's input and map its answers back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Letterbox:
    """
    The geometry between a camera image and the network input, for both directions.

    The image is scaled to touch two borders of the network input and centred; bars of `pad_value`
    fill the rest. Coordinates are continuous: pixel `i` covers `i` to `i + 1`.
    """

    source_wh: tuple[int, int]
    network_wh: tuple[int, int]
    pad_value: int = 114

    def __post_init__(self) -> None:
        if min(*self.source_wh, *self.network_wh) < 1:
            raise ValueError(f'sizes must be positive, got {self.source_wh} and {self.network_wh}')

    @cached_property
    def content_wh(self) -> tuple[int, int]:
        """Width and height of the scaled image inside the bars."""
        (source_w, source_h), (network_w, network_h) = self.source_wh, self.network_wh
        scale = min(network_w / source_w, network_h / source_h)
        return max(1, round(source_w * scale)), max(1, round(source_h * scale))

    @cached_property
    def pad(self) -> tuple[int, int]:
        """Width of the left bar and height of the top bar."""
        return (
            (self.network_wh[0] - self.content_wh[0]) // 2,
            (self.network_wh[1] - self.content_wh[1]) // 2,
        )

    @cached_property
    def gain(self) -> tuple[float, float]:
        """Network pixels a source pixel in x and in y; not equal where the content is rounded."""
        return (
            self.content_wh[0] / self.source_wh[0],
            self.content_wh[1] / self.source_wh[1],
        )

    def image(self, source: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """
        Return the letterboxed image.

        Args:
            source: Camera image of shape `(H, W, 3)`, uint8, of size `source_wh`.
            out: Array of shape `(network height, network width, 3)`, uint8, to fill and return.

        """
        _check_image('source image', source, self.source_wh)
        if out is None:
            out = np.empty((self.network_wh[1], self.network_wh[0], 3), np.uint8)
        _check_image('output buffer', out, self.network_wh)
        (left, top), (width, height) = self.pad, self.content_wh
        out[:top] = out[top + height :] = self.pad_value
        out[:, :left] = out[:, left + width :] = self.pad_value
        cv2.resize(source, self.content_wh, dst=self.content(out), interpolation=cv2.INTER_LINEAR)
        return out

    def boxes_to_network(self, xyxy: npt.ArrayLike) -> np.ndarray:
        """Map boxes `(N, 4)` from source to network pixels, float32."""
        boxes = np.asarray(xyxy, np.float32).reshape(-1, 4)
        return boxes * np.tile(self._gain32, 2) + np.tile(self._pad32, 2)

    def boxes_to_source(self, xyxy: npt.ArrayLike) -> np.ndarray:
        """Map boxes `(N, 4)` from network to source pixels, float32, clipped to the image."""
        boxes = np.asarray(xyxy, np.float32).reshape(-1, 4)
        corners = self.points_to_source(boxes.reshape(-1, 2))
        return np.clip(corners, 0, np.array(self.source_wh, np.float32)).reshape(-1, 4)

    def points_to_source(self, xy: npt.ArrayLike) -> np.ndarray:
        """Map points `(N, 2)` from network to source pixels, float32, not clipped."""
        return (np.asarray(xy, np.float32).reshape(-1, 2) - self._pad32) / self._gain32

    def content(self, plane: np.ndarray) -> np.ndarray:
        """Return the view of a network-size plane `(H, W, ...)` without its bars."""
        (left, top), (width, height) = self.pad, self.content_wh
        return plane[top : top + height, left : left + width]

    @cached_property
    def _gain32(self) -> np.ndarray:
        return np.array(self.gain, np.float32)

    @cached_property
    def _pad32(self) -> np.ndarray:
        return np.array(self.pad, np.float32)


def _check_image(name: str, image: np.ndarray, wh: tuple[int, int]) -> None:
    expected = (wh[1], wh[0], 3)
    if image.shape != expected or image.dtype != np.uint8:
        raise ValueError(
            f'{name} must have shape {expected} and type uint8, '
            f'found shape {image.shape} and type {image.dtype}'
        )
