# SPDX-License-Identifier: Apache-2.0
"""The command as a process, and its inputs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from panoptic_perception.bags import messages
from panoptic_perception.bags.types import COMPRESSED_IMAGE, serialize
from panoptic_perception.bags.writer import BagWriter

START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000

Panoptic = Callable[..., subprocess.CompletedProcess]


def command(*args: object) -> list[str]:
    """Return the command line of `panoptic ARGS`."""
    return [sys.executable, '-m', 'panoptic_perception.cli.main', *map(str, args)]


@pytest.fixture
def panoptic() -> Panoptic:
    """Return a function that runs `panoptic ARGS` to its end."""

    def run(*args: object, timeout: float = 60, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            command(*args),
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def start_panoptic():
    """Return a function that starts `panoptic ARGS`; what still runs at the end is killed."""
    started = []

    def start(*args: object, **environment: str) -> subprocess.Popen:
        process = subprocess.Popen(
            command(*args),
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def folder(tmp_path: Path, scene: np.ndarray) -> Path:
    """Return a folder with three images, one of them in a subfolder and of another size."""
    (tmp_path / 'images' / 'sub').mkdir(parents=True)
    cv2.imwrite(str(tmp_path / 'images' / 'a.png'), scene)
    cv2.imwrite(str(tmp_path / 'images' / 'b.jpg'), scene[:, ::-1])
    cv2.imwrite(str(tmp_path / 'images' / 'sub' / 'a.png'), scene[:600, :500])
    return tmp_path / 'images'


@pytest.fixture
def video(tmp_path: Path, scene: np.ndarray) -> Path:
    """Return a video of five frames at 10 frames a second."""
    path = tmp_path / 'clip.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10.0, (1280, 720))
    for shift in range(5):
        writer.write(np.roll(scene, 20 * shift, axis=1))
    writer.release()
    return path


@pytest.fixture
def damaged_video(tmp_path: Path) -> Path:
    """Return a video that states twelve frames and holds seven that can be decoded."""
    path = tmp_path / 'damaged.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10.0, (640, 360))
    rng = np.random.default_rng(0)
    for _ in range(12):
        noise = rng.integers(0, 256, (36, 64, 3), np.uint8)
        writer.write(cv2.resize(noise, (640, 360)))
    writer.release()
    data = bytearray(path.read_bytes())
    start, end = data.index(b'mdat'), data.index(b'moov') - 4
    middle = (start + end) // 2
    data[middle:end] = bytes(end - middle)
    path.write_bytes(data)
    return path


@pytest.fixture
def make_bag(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a bag of JPEG camera images and returns its path."""

    def make(
        frames: Sequence[np.ndarray | bytes],
        *,
        name: str = 'drive.mcap',
        topics: Sequence[str] = ('/camera/image/compressed',),
    ) -> Path:
        with BagWriter(tmp_path / name) as writer:
            for topic in topics:
                writer.add_topic(topic, COMPRESSED_IMAGE)
            for index, frame in enumerate(frames):
                stamp_ns = START_NS + index * PERIOD_NS
                data: bytes | memoryview
                if isinstance(frame, bytes):
                    data = frame
                else:
                    head = messages.header(stamp_ns, 'camera')
                    message = messages.jpeg_message(head, frame, quality=95)
                    data = serialize(message, COMPRESSED_IMAGE)
                for topic in topics:
                    writer.write(topic, data, stamp_ns)
        return tmp_path / name

    return make
