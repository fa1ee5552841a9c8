# SPDX-License-Identifier: Apache-2.0
"""The node's output topics: each message is made only if somebody subscribes."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.publisher import Publisher
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from panoptic_perception.core.overlay import draw_overlay
from panoptic_perception.core.results import PanopticResult
from panoptic_perception.engines.model_file import ModelInfo
from panoptic_perception.ros import messages
from panoptic_perception.ros.parameters import Settings
from panoptic_perception.ros.qos import LATCHED, OUTPUT


class Outputs:
    """Publish results on the topics of the node while it is active."""

    def __init__(self, node: LifecycleNode) -> None:
        def lifecycle(message_type: type, topic: str) -> Publisher:
            return node.create_lifecycle_publisher(message_type, topic, OUTPUT)

        self._detections = lifecycle(Detection2DArray, '~/detections')
        self._drivable = lifecycle(Image, '~/drivable_area/mask')
        self._lane = lifecycle(Image, '~/lane_lines/mask')
        self._overlay = lifecycle(Image, '~/overlay')
        self._overlay_compressed = lifecycle(CompressedImage, '~/overlay/compressed')
        # The names of the classes are known, and wanted, before the node is active.
        self._label_info = node.create_publisher(LabelInfo, '~/label_info', LATCHED)
        self._announced: LabelInfo | None = None
        self._overlay_turn_s = 0.0

    def announce(self, model: ModelInfo, settings: Settings) -> None:
        """Publish names and threshold of the classes if they are new, for late subscribers too."""
        threshold = settings.thresholds(model.thresholds).score
        message = messages.label_info_message(model.labels, threshold)
        if message != self._announced:
            self._label_info.publish(message)
            self._announced = message

    def prepare(
        self, header: Header, image: np.ndarray, result: PanopticResult, settings: Settings
    ) -> Callable[[], None]:
        """Make the messages of a result; the returned step publishes them."""
        resolution = settings.mask_resolution
        ready: list[tuple[Publisher, object]] = []
        if self._detections.get_subscription_count():
            ready.append((self._detections, messages.detections_message(header, result)))
        if self._drivable.get_subscription_count():
            mask = result.drivable_mask(resolution)
            ready.append((self._drivable, messages.image_message(header, mask)))
        if self._lane.get_subscription_count():
            mask = result.lane_mask(resolution)
            ready.append((self._lane, messages.image_message(header, mask)))

        def publish() -> None:
            for publisher, message in ready:
                publisher.publish(message)

        return publish

    def publish_overlay(
        self, header: Header, image: np.ndarray, result: PanopticResult, settings: Settings
    ) -> None:
        """Draw and publish the overlay if somebody watches and the last one is old enough."""
        raw = self._overlay.get_subscription_count() > 0
        compressed = self._overlay_compressed.get_subscription_count() > 0
        if not (raw or compressed):
            return
        turn_s = turn_at(self._overlay_turn_s, monotonic(), 1 / settings.overlay_rate_hz)
        if turn_s is None:
            return
        self._overlay_turn_s = turn_s
        drawing = draw_overlay(image, result, caption=f'{result.times.total_ms:.0f} ms')
        if raw:
            self._overlay.publish(messages.image_message(header, drawing))
        if compressed:
            quality = settings.overlay_jpeg_quality
            self._overlay_compressed.publish(
                messages.jpeg_message(header, drawing, quality=quality)
            )


def turn_at(last_s: float, now_s: float, period_s: float) -> float | None:
    """
    Return the turn that an overlay drawn now takes, after that at `last_s`; None if it is early.

    A turn is a period after the one before, not after that one's drawing, since frames that come
    between two turns would otherwise lower the rate; it is now if that was missed by a period.
    """
    turn_s = last_s + period_s
    if now_s < turn_s:
        return None
    return turn_s if now_s < turn_s + period_s else now_s
