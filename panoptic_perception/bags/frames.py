# SPDX-License-Identifier: Apache-2.0
"""Give the camera frames of an image, a folder, a video or a bag in one form."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from panoptic_perception.bags.reader import BagReader, DamagedBagError, is_bag
from panoptic_perception.core.codec import ImageError, decode_compressed
from panoptic_perception.core.errors import StatedError

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png')
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov', '.m4v', '.webm')
IMAGES_PER_SECOND = 2.0
# Containers often state a few frames more than they hold.
_FRAMES_OFTEN_OVERSTATED = 2

# FFmpeg would write its own lines between ours.
os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')


class InputError(StatedError, ValueError):
    """An input path holds no frames that could be read."""


class DamagedInputError(InputError):
    """A video or a bag ended early; every frame before the damage was handed out."""


@dataclass(frozen=True)
class Frame:
    """One frame; `decode()` returns (H, W, 3) uint8 BGR or raises `ImageError`."""

    name: str
    stamp_ns: int
    decode: Callable[[], np.ndarray]


@dataclass(frozen=True)
class FrameSource:
    """
    The frames of one input; iterate over it as often as needed.

    `names` are those of the frames, in order. A damaged video or bag yields those that can be
    read, then raises `DamagedInputError`.
    """

    path: Path
    kind: str
    names: tuple[str, ...]
    frames_per_second: float
    _walk: Callable[[], Iterator[Frame]]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Frame]:
        return self._walk()


def open_frames(path: Path | str, *, topic: str | None = None) -> FrameSource:
    """
    Open an image, a folder of images (with its subfolders), a video or a bag.

    Images are named by their path below the folder without suffix; the frames of a video or a
    bag STEM are named STEM_000001 and so on. Still images count as 2 frames a second.

    Raises:
        InputError, BagError: With one sentence on what is wrong with the path.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f'{path} does not exist')
    if is_bag(path):
        return _open_bag(path, topic)
    if path.is_dir():
        return _open_images(path, path, sorted(_images_below(path)))
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _open_images(path, path.parent, [path])
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _open_video(path)
    raise InputError(
        f'{path} is neither an image ({" ".join(IMAGE_SUFFIXES)}),'
        f' a video ({" ".join(VIDEO_SUFFIXES)}), a folder of images nor a bag'
    )


def _images_below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob('*'):
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith('.'):
            yield path


def _open_images(path: Path, root: Path, images: list[Path]) -> FrameSource:
    if not images:
        raise InputError(f'{path} holds no image ({" ".join(IMAGE_SUFFIXES)})')
    names = tuple(image.relative_to(root).with_suffix('').as_posix() for image in images)

    def walk() -> Iterator[Frame]:
        for index, (name, image) in enumerate(zip(names, images, strict=True)):
            yield Frame(name, _stamp_ns(index, IMAGES_PER_SECOND), partial(_read_image, image))

    return FrameSource(path, 'images', names, IMAGES_PER_SECOND, walk)


def _read_image(path: Path) -> np.ndarray:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError('unreadable', f'the file cannot be read: {error.strerror}') from error
    return decode_compressed(data)


def _open_video(path: Path) -> FrameSource:
    capture = cv2.VideoCapture(str(path))
    rate = capture.get(cv2.CAP_PROP_FPS)
    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    readable = capture.isOpened() and capture.grab()
    capture.release()
    # Matroska counts no frames: OpenCV multiplies the duration, that of the sound at times.
    is_counted = path.suffix.lower() not in ('.mkv', '.webm')
    allowed = _FRAMES_OFTEN_OVERSTATED if is_counted else math.inf
    if not readable:
        raise InputError(
            f'{path} cannot be read as a video: is it damaged or still being written?'
        )
    if not 0 < rate < 1000:
        raise InputError(f'{path} states no usable frame rate ({rate:g} frames/s)')

    def walk() -> Iterator[Frame]:
        capture = cv2.VideoCapture(str(path))
        try:
            index = 0
            while True:
                good, image = capture.read()
                if not good:
                    break
                yield Frame(
                    _frame_name(path, index + 1),
                    _stamp_ns(index, rate),
                    partial(np.asarray, image),
                )
                index += 1
        finally:
            capture.release()
        if total - index > allowed:
            raise DamagedInputError(
                f'the last {total - index} frames of {path} could not be decoded'
            )

    names = tuple(_frame_name(path, number) for number in range(1, total + 1))
    return FrameSource(path, 'video', names, rate, walk)


def _open_bag(path: Path, topic: str | None) -> FrameSource:
    with BagReader(path) as bag:
        topic = bag.image_topic(topic)
        total = bag.topics[topic].count
        rate = bag.frames_per_second(topic) or IMAGES_PER_SECOND

    def walk() -> Iterator[Frame]:
        with BagReader(path) as bag:
            try:
                for frame in bag.image_frames(topic):
                    yield Frame(_frame_name(path, frame.number), frame.stamp_ns, frame.decode)
            except DamagedBagError as error:
                raise DamagedInputError(str(error)) from error

    names = tuple(_frame_name(path, number) for number in range(1, total + 1))
    return FrameSource(path, 'bag', names, rate, walk)


def _frame_name(path: Path, number: int) -> str:
    return f'{path.stem}_{number:06d}'


def _stamp_ns(index: int, rate: float) -> int:
    return round(index / rate * 1e9)
