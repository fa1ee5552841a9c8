# SPDX-License-Identifier: Apache-2.0
"""Draw what the node published on the frames that it was sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from panoptic_perception.bags.frames import IMAGES_PER_SECOND
from panoptic_perception.bags.messages import stamp_ns
from panoptic_perception.bags.process import (
    DETECTIONS_TOPIC,
    DRIVABLE_TOPIC,
    LABEL_INFO_TOPIC,
    LANE_TOPIC,
)
from panoptic_perception.bags.reader import BagFrame, BagReader, DamagedBagError
from panoptic_perception.bags.types import deserialize
from panoptic_perception.cli.common import progress
from panoptic_perception.core.files import write_whole
from panoptic_perception.core.overlay import contact_sheet, draw_overlay
from panoptic_perception.core.results import (
    Detections,
    EngineInfo,
    PanopticResult,
    StageTimes,
    Thresholds,
)
from panoptic_perception.core.video import VideoFile

_SHEET_IMAGES = 9
_SHEET_WIDTH = 1920
_PER_FRAME = {DETECTIONS_TOPIC, DRIVABLE_TOPIC, LANE_TOPIC}


@dataclass(frozen=True)
class _Answer:
    """The messages of one frame, and when the last of them was recorded."""

    stamp_ns: int
    receive_ns: int
    labels: tuple[str, ...]
    messages: dict[str, Any]

    def result(self, source_wh: tuple[int, int]) -> PanopticResult:
        """Return the result that these messages describe; their masks are 0 or 255."""
        return PanopticResult(
            source_wh=source_wh,
            labels=self.labels,
            detections=_detections(self.messages[DETECTIONS_TOPIC], self.labels),
            drivable_probability=_mask(self.messages[DRIVABLE_TOPIC]),
            lane_probability=_mask(self.messages[LANE_TOPIC]),
            thresholds=Thresholds(score=0.0, drivable=0.5, lane=0.5),
            times=StageTimes(0.0, 0.0, 0.0),
            engine=EngineInfo('recorded', '', '', 0),
        )


def draw_drive(
    bag: Path, topic: str, results: Path, latency_ms: dict[int, float], out: Path
) -> None:
    """
    Write overlay.mp4 and overlay.png into a folder.

    A frame that the node dropped shows the answer before it, as a live view would.

    Args:
        bag: The recording that was played.
        topic: Its camera topic.
        results: The recording of the node's outputs.
        latency_ms: Age of each answer on arrival, by stamp.
        out: The folder.
    """
    chosen = {round(n) for n in np.linspace(0, len(latency_ms) - 1, _SHEET_IMAGES)}
    sheet: list[np.ndarray] = []
    rate = _Rate()
    with ExitStack() as stack:
        reader = stack.enter_context(BagReader(bag))
        pace = reader.frames_per_second(topic) or IMAGES_PER_SECOND
        video = stack.enter_context(VideoFile(out / 'overlay.mp4', pace))
        answers = _answers(results)
        answer = next(answers, None)
        shown: np.ndarray | None = None
        count = 0
        frames = progress(_readable(reader, topic), reader.topics[topic].count, 'frame', 'drawing')
        for frame in frames:
            if answer is not None and frame.stamp_ns == answer.stamp_ns:
                image = frame.decode()
                caption = rate.add(answer.receive_ns) + f'age {latency_ms[answer.stamp_ns]:.0f} ms'
                result = answer.result((image.shape[1], image.shape[0]))
                shown = draw_overlay(image, result, caption=caption)
                if count in chosen:
                    sheet.append(_small(shown))
                count += 1
                answer = next(answers, None)
            if shown is not None:
                video.write(shown)
    if sheet:
        picture = contact_sheet(sheet, columns=min(3, len(sheet)), width=_SHEET_WIDTH)
        write_whole(out / 'overlay.png', cv2.imencode('.png', picture)[1].tobytes())


class _Rate:
    """Answers of the last second."""

    def __init__(self) -> None:
        self._times: deque[int] = deque()

    def add(self, receive_ns: int) -> str:
        """Note an answer; return the rate in words, '' for the first answer."""
        self._times.append(receive_ns)
        while receive_ns - self._times[0] > 1_000_000_000:
            self._times.popleft()
        span_s = (receive_ns - self._times[0]) / 1e9
        return f'{(len(self._times) - 1) / span_s:.1f} results/s   ' if span_s else ''


def _readable(reader: BagReader, topic: str) -> Iterator[BagFrame]:
    """Yield the frames of a recording up to its damage, if any: the drive has told of it."""
    try:
        yield from reader.image_frames(topic)
    except DamagedBagError:
        return


def _answers(results: Path) -> Iterator[_Answer]:
    """Yield the answers whose messages are all there, in the order of the frames."""
    labels: tuple[str, ...] = ()
    pending: dict[int, dict[str, Any]] = {}
    with BagReader(results) as bag:
        for message in bag.messages({*_PER_FRAME, LABEL_INFO_TOPIC}):
            content: Any = deserialize(message.data, message.msgtype)
            if message.topic == LABEL_INFO_TOPIC:
                labels = tuple(entry.class_name for entry in content.class_map)
                continue
            stamp = stamp_ns(content)
            parts = pending.setdefault(stamp, {})
            parts[message.topic] = content
            if parts.keys() == _PER_FRAME:
                yield _Answer(stamp, message.receive_ns, labels, pending.pop(stamp))


def _detections(message: Any, labels: tuple[str, ...]) -> Detections:
    boxes, scores, indices = [], [], []
    for found in message.detections:
        centre, box = found.bbox.center.position, found.bbox
        half_w, half_h = box.size_x / 2, box.size_y / 2
        boxes.append((centre.x - half_w, centre.y - half_h, centre.x + half_w, centre.y + half_h))
        scores.append(found.results[0].hypothesis.score)
        indices.append(labels.index(found.results[0].hypothesis.class_id))
    return Detections(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array(scores, np.float32),
        labels=np.array(indices, np.int64),
    )


def _mask(message: Any) -> np.ndarray:
    return message.data.reshape(message.height, message.width)


def _small(image: np.ndarray) -> np.ndarray:
    width = _SHEET_WIDTH // 3
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
