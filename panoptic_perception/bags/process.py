# SPDX-License-Identifier: Apache-2.0
"""Run the network over a bag: every frame, the same bytes on every run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from panoptic_perception.bags import messages
from panoptic_perception.bags.reader import BagFrame, BagReader, DamagedBagError
from panoptic_perception.bags.types import (
    COMPRESSED_IMAGE,
    DETECTIONS,
    IMAGE,
    LABEL_INFO,
    serialize,
)
from panoptic_perception.bags.writer import BagWriter
from panoptic_perception.core.codec import ImageError
from panoptic_perception.core.overlay import draw_overlay
from panoptic_perception.core.results import PanopticResult
from panoptic_perception.engines.engine import EngineError
from panoptic_perception.runtime.perceiver import Perceiver

_NODE = '/panoptic_perception'
LABEL_INFO_TOPIC = f'{_NODE}/label_info'
DETECTIONS_TOPIC = f'{_NODE}/detections'
DRIVABLE_TOPIC = f'{_NODE}/drivable_area/mask'
LANE_TOPIC = f'{_NODE}/lane_lines/mask'
OVERLAY_TOPIC = f'{_NODE}/overlay/compressed'
_OVERLAY_QUALITY = 80


@dataclass
class BagSummary:
    """What became of every frame of a bag: `frames = results + dropped + lost`."""

    image_topic: str
    frames: int = 0
    results: int = 0
    dropped: int = 0
    lost: list[str] = field(default_factory=list)
    dropped_stamps_ns: list[int] = field(default_factory=list)
    damage: str = ''

    def as_json(self) -> dict[str, object]:
        """Return the JSON object that `panoptic bag` prints."""
        return asdict(self) | {'lost': len(self.lost), 'lost_frames': self.lost}


def process_bag(
    source: Path,
    out: Path,
    perceiver: Perceiver,
    *,
    image_topic: str | None = None,
    overlay: bool = False,
    realtime: bool = False,
    inference_ms: float | None = None,
    progress: Callable[[Iterable[BagFrame], int], Iterable[BagFrame]] = lambda frames, _: frames,
) -> BagSummary:
    """
    Write the node's outputs for the frames of a bag into a new MCAP file.

    Headers and receive times are those of the source frames. Broken frames are listed and left
    out; a damaged bag is processed up to the damage.

    Args:
        source: The bag to read.
        out: The MCAP file to write.
        perceiver: The network.
        image_topic: Camera topic; needed only if the bag has several.
        overlay: Add the drawn frames as JPEG.
        realtime: Drop the frames that a vehicle would have dropped, see `newest_wins`.
        inference_ms: Time of one frame for `realtime`; None takes each frame's measured time,
            which differs from run to run.
        progress: Wraps the frames for a progress bar; gets them and their number.
    """
    with ExitStack() as stack:
        bag = stack.enter_context(BagReader(source))
        topic = bag.image_topic(image_topic)
        summary = BagSummary(image_topic=topic)
        writer = stack.enter_context(BagWriter(out))
        outputs = _Outputs(writer, perceiver, overlay=overlay)

        def perceive(frame: BagFrame) -> int:
            """Write one frame's outputs; return the nanoseconds that it took the network."""
            spent_ms = outputs.write(frame, summary)
            return round((spent_ms if inference_ms is None else inference_ms) * 1e6)

        def frames() -> Iterator[BagFrame]:
            """Pass the frames on and keep the sentence of a damaged bag."""
            try:
                for frame in bag.image_frames(topic):
                    summary.frames += 1
                    yield frame
            except DamagedBagError as error:
                summary.damage = str(error)

        arriving = progress(frames(), bag.topics[topic].count)
        if realtime:
            for dropped in newest_wins(arriving, perceive):
                summary.dropped += 1
                summary.dropped_stamps_ns.append(dropped.stamp_ns)
        else:
            for frame in arriving:
                perceive(frame)
    return summary


def newest_wins(frames: Iterable[BagFrame], work: Callable[[BagFrame], int]) -> Iterator[BagFrame]:
    """
    Play frames against a virtual clock with one worker and a slot for the newest frame.

    Frames arrive at their receive times. `work` handles a frame and returns the nanoseconds for
    which it keeps the worker busy. Yield each frame that a newer one pushed out of the slot.
    """
    free_at = 0
    waiting: BagFrame | None = None
    for frame in frames:
        if waiting is not None and free_at <= frame.receive_ns:
            free_at = max(free_at, waiting.receive_ns) + work(waiting)
            waiting = None
        if waiting is not None:
            yield waiting
        waiting = frame
    if waiting is not None:
        work(waiting)


class _Outputs:
    """The output topics of one bag; label_info comes with the first frame."""

    def __init__(self, writer: BagWriter, perceiver: Perceiver, *, overlay: bool) -> None:
        self._writer = writer
        self._perceiver = perceiver
        self._overlay = overlay
        self._labelled = False
        writer.add_topic(LABEL_INFO_TOPIC, LABEL_INFO, latched=True)
        writer.add_topic(DETECTIONS_TOPIC, DETECTIONS)
        writer.add_topic(DRIVABLE_TOPIC, IMAGE)
        writer.add_topic(LANE_TOPIC, IMAGE)
        if overlay:
            writer.add_topic(OVERLAY_TOPIC, COMPRESSED_IMAGE)

    def write(self, frame: BagFrame, summary: BagSummary) -> float:
        """Write the messages of one frame; return the milliseconds of work on it."""
        head = messages.header(frame.stamp_ns, frame.frame_id)
        try:
            image = frame.decode()
            result = self._perceiver(image)
        except (ImageError, EngineError) as error:
            summary.lost.append(f'frame {frame.number} at {frame.stamp_ns} ns: {error}')
            return 0.0
        if not self._labelled:
            self._write_labels(result, frame.receive_ns)
        self._write_result(head, result, frame.receive_ns)
        if self._overlay:
            drawn = messages.jpeg_message(
                head, draw_overlay(image, result), quality=_OVERLAY_QUALITY
            )
            self._write_one(OVERLAY_TOPIC, COMPRESSED_IMAGE, drawn, frame.receive_ns)
        summary.results += 1
        return result.times.total_ms

    def _write_labels(self, result: PanopticResult, receive_ns: int) -> None:
        info = messages.label_info_message(result.labels, result.thresholds.score)
        self._write_one(LABEL_INFO_TOPIC, LABEL_INFO, info, receive_ns)
        self._labelled = True

    def _write_result(self, head: object, result: PanopticResult, receive_ns: int) -> None:
        detections = messages.detections_message(head, result)
        self._write_one(DETECTIONS_TOPIC, DETECTIONS, detections, receive_ns)
        drivable = messages.image_message(head, result.drivable_mask())
        self._write_one(DRIVABLE_TOPIC, IMAGE, drivable, receive_ns)
        lane = messages.image_message(head, result.lane_mask())
        self._write_one(LANE_TOPIC, IMAGE, lane, receive_ns)

    def _write_one(self, topic: str, msgtype: str, message: object, receive_ns: int) -> None:
        self._writer.write(topic, serialize(message, msgtype), receive_ns)
