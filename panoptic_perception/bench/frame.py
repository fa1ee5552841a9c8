# SPDX-License-Identifier: Apache-2.0
"""The camera image that every row of the benchmark is shown."""

from __future__ import annotations

from pathlib import Path

import cv2

import panoptic_perception
from panoptic_perception.core.codec import encode_jpeg
from panoptic_perception.core.errors import StatedError

SOURCE_WH = (1280, 720)
# In the middle of the drive: vehicles, people and lane lines are in view.
_FRAME = 45


def camera_jpeg() -> bytes:
    """Return a frame of the bundled drive, enlarged to `SOURCE_WH`, as a camera compresses it."""
    path = Path(panoptic_perception.__file__).parent / 'demo' / 'synthetic_drive.mp4'
    capture = cv2.VideoCapture(str(path))
    capture.set(cv2.CAP_PROP_POS_FRAMES, _FRAME)
    good, image = capture.read()
    capture.release()
    if not good:
        raise StatedError(f'{path} cannot be read as a video: install the package again')
    return encode_jpeg(cv2.resize(image, SOURCE_WH, interpolation=cv2.INTER_LINEAR), quality=90)
