# SPDX-License-Identifier: Apache-2.0
"""Record topics into a bag, as serialised bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from functools import partial

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from panoptic_perception.bags.writer import BagWriter


class Recorder:
    """
    Write every message of some topics into an open bag while the node spins.

    Args:
        node: The node that subscribes.
        topics: The message class of each topic.
        writer: The bag; the caller opens and closes it.
        latched: Those of the topics whose publisher keeps its last message for late subscribers.
        on_message: Called with topic and bytes of each message after it was written.
    """

    def __init__(
        self,
        node: Node,
        topics: Mapping[str, type],
        writer: BagWriter,
        *,
        latched: Collection[str] = (),
        on_message: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._clock = node.get_clock()
        self._writer = writer
        self._on_message = on_message
        self._subscriptions = []
        for topic, message_type in topics.items():
            writer.add_topic(topic, type_name(message_type), latched=topic in latched)
            subscription = node.create_subscription(
                message_type,
                topic,
                partial(self._record, topic),
                _profile(latched=topic in latched),
                raw=True,
            )
            self._subscriptions.append(subscription)

    def _record(self, topic: str, data: bytes) -> None:
        self._writer.write(topic, data, self._clock.now().nanoseconds)
        self.counts[topic] += 1
        if self._on_message is not None:
            self._on_message(topic, data)


def type_name(message_type: type) -> str:
    """Return the ROS name of a message class, such as 'sensor_msgs/msg/Image'."""
    package, kind = message_type.__module__.split('.')[:2]
    return f'{package}/{kind}/{message_type.__name__}'


def _profile(*, latched: bool) -> QoSProfile:
    return QoSProfile(
        depth=50,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )
