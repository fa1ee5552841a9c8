# SPDX-License-Identifier: Apache-2.0
"""Write an MP4 file frame by frame."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

from panoptic_perception.core.files import whole_file


class VideoFile:
    """
    An MP4 video; use as a context manager.

    The first frame sets the size. The file appears under its name if the block succeeds and at
    least one frame was written.
    """

    def __init__(self, path: Path, frames_per_second: float) -> None:
        self.path = path
        self._rate = frames_per_second
        self._stack = ExitStack()
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.release()
        self._stack.__exit__(*error)  # type: ignore[arg-type]

    def write(self, image: np.ndarray) -> None:
        """Append an (H, W, 3) uint8 BGR frame."""
        if self._writer is None:
            self._open(image)
        elif image.shape != self._shape:
            image = cv2.resize(image, (self._shape[1], self._shape[0]))
        self._writer.write(image)  # type: ignore[union-attr]

    def _open(self, image: np.ndarray) -> None:
        self._shape = image.shape
        part = self._stack.enter_context(whole_file(self.path))
        codec = cv2.VideoWriter.fourcc(*'mp4v')
        self._writer = cv2.VideoWriter(str(part), codec, self._rate, image.shape[1::-1])
        if not self._writer.isOpened():
            raise OSError(f'{self.path}: OpenCV cannot write MP4 video here')
