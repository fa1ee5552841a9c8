# SPDX-License-Identifier: Apache-2.0
"""Bags of the tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from panoptic_perception.bags import messages
from panoptic_perception.bags.types import COMPRESSED_IMAGE, IMAGE, serialize
from panoptic_perception.bags.writer import BagWriter
from panoptic_perception.engines import load_engine
from panoptic_perception.runtime.perceiver import Perceiver

START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000
TRAVEL_NS = 7_000_000


@pytest.fixture(scope='session')
def perceiver(tiny_model: Path) -> Perceiver:
    """Return a perceiver over the tiny model."""
    return Perceiver(load_engine(tiny_model, threads=1))


@pytest.fixture
def make_bag(tmp_path: Path) -> Callable[..., Path]:
    """
    Return a function that writes an MCAP bag of images and returns its path.

    Each frame is an image, or bytes that are written as they are in place of a message. Frame i
    has the stamp START_NS + i * PERIOD_NS and arrives TRAVEL_NS later.
    """

    def make(
        frames: Sequence[np.ndarray | bytes],
        *,
        name: str = 'in.mcap',
        topics: Sequence[str] = ('/camera/image',),
        compressed: bool = False,
    ) -> Path:
        msgtype = COMPRESSED_IMAGE if compressed else IMAGE

        def camera_message(image: np.ndarray, stamp_ns: int) -> memoryview:
            head = messages.header(stamp_ns, 'camera')
            if compressed:
                return serialize(messages.jpeg_message(head, image, quality=95), msgtype)
            return serialize(messages.image_message(head, image), msgtype)

        with BagWriter(tmp_path / name) as writer:
            for topic in topics:
                writer.add_topic(topic, msgtype)
            for index, frame in enumerate(frames):
                stamp_ns = START_NS + index * PERIOD_NS
                data = frame if isinstance(frame, bytes) else camera_message(frame, stamp_ns)
                for topic in topics:
                    writer.write(topic, data, stamp_ns + TRAVEL_NS)
        return tmp_path / name

    return make
