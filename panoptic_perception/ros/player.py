# SPDX-License-Identifier: Apache-2.0
"""Replay a bag live: its serialised messages at their recorded pace, with /clock."""

from __future__ import annotations

import importlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import rclpy
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from tqdm import tqdm

from panoptic_perception.bags.reader import BagError, BagMessage, BagReader
from panoptic_perception.ros.qos import LATCHED

_QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
_CLOCK_PERIOD_S = 0.01
_CLOCK_TOPIC = '/clock'
_BAR_FORMAT = '{percentage:3.0f} %|{bar}| {n:.0f} of {total} s, {remaining} left'


@dataclass(frozen=True)
class PlayReport:
    """What a replay did: messages by published topic, topics without an installed type, delay."""

    published: Mapping[str, int]
    skipped: tuple[str, ...]
    worst_delay_ms: float

    def __str__(self) -> str:
        skipped = (
            f', skipped {", ".join(self.skipped)} (type not installed)' if self.skipped else ''
        )
        return (
            f'published {sum(self.published.values())} messages on {len(self.published)} topics, '
            f'at most {self.worst_delay_ms:.0f} ms late{skipped}'
        )


def play(
    bag: Path | str,
    *,
    rate: float = 1.0,
    loop: bool = False,
    topic_map: Mapping[str, str] | None = None,
    clock: bool = True,
    progress: bool = True,
    wait_for_subscribers_s: float = 0.0,
    on_publish: Callable[[BagMessage], None] | None = None,
) -> PlayReport:
    """
    Publish the messages of a bag at the times of their recording.

    Args:
        bag: The recording.
        rate: Speed; 2 plays twice as fast.
        loop: Start again at the end, until interrupted.
        topic_map: Play only these topics of the bag, under the names given; None plays all.
        clock: Publish /clock, which then follows the receive times of the bag.
        progress: Show a bar on a terminal if it takes longer than 3 s.
        wait_for_subscribers_s: How long to wait at most until each topic has a subscriber.
        on_publish: Called just before each message is published.

    Raises:
        BagError: The bag cannot be read, or has nothing to play.
    """
    with BagReader(bag) as reader, _player_node() as node:
        player = _Player(node, reader, topic_map, clock=clock, rate=rate, on_publish=on_publish)
        player.wait_for_subscribers(wait_for_subscribers_s)
        duration_s = (reader.end_ns - reader.start_ns) / 1e9
        with tqdm(
            total=round(duration_s, 1),
            delay=3,
            bar_format=_BAR_FORMAT,
            disable=None if progress else True,
        ) as progress_bar:
            try:
                player.play_once(progress_bar)
                while loop:
                    progress_bar.reset()
                    player.play_once(progress_bar)
            finally:  # a damaged bag ends in an error, but what came before it counts
                player.flush()
        return player.report()


class _Player:
    """One replay: its publishers and its accounts."""

    def __init__(
        self,
        node: Node,
        reader: BagReader,
        topic_map: Mapping[str, str] | None,
        *,
        clock: bool,
        rate: float,
        on_publish: Callable[[BagMessage], None] | None,
    ) -> None:
        self._reader = reader
        self._rate = rate
        self._on_publish = on_publish
        self._published: Counter[str] = Counter()
        self._worst_delay_s = 0.0
        self._skipped: list[str] = []
        self._publishers: dict[str, Publisher] = {}
        self._clock = node.create_publisher(Clock, _CLOCK_TOPIC, 1) if clock else None
        for topic, name in self._names(topic_map).items():
            info = reader.topics[topic]
            message_type = _message_type(info.msgtype)
            if message_type is None:
                self._skipped.append(topic)
            else:
                qos = LATCHED if info.latched else _QOS
                self._publishers[topic] = node.create_publisher(message_type, name, qos)
        if not any(reader.topics[topic].count for topic in self._publishers):
            held = [f'{t.count} messages on {t.name}' for t in reader.topics.values()]
            raise BagError(
                f'{reader.path} has nothing to play: it holds {", ".join(held) or "no topic"}'
            )

    def wait_for_subscribers(self, timeout_s: float) -> None:
        """Wait until each topic has a subscriber, or the time is over."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and not all(
            publisher.get_subscription_count() for publisher in self._publishers.values()
        ):
            time.sleep(0.02)

    def play_once(self, progress_bar: tqdm) -> None:
        """Play from the first to the last message."""
        start_s = time.monotonic()
        start_ns = None
        for message in self._reader.messages(self._publishers.keys()):
            if start_ns is None:
                start_ns = message.receive_ns
            offset_s = (message.receive_ns - start_ns) / 1e9
            self._wait_until(start_s + offset_s / self._rate, message.receive_ns)
            late_s = time.monotonic() - start_s - offset_s / self._rate
            self._worst_delay_s = max(self._worst_delay_s, late_s)
            self._publish(message)
            progress_bar.update(offset_s - progress_bar.n)

    def flush(self) -> None:
        """Wait until reliable subscribers have the last messages."""
        for publisher in self._publishers.values():
            publisher.wait_for_all_acked(Duration(seconds=2))

    def report(self) -> PlayReport:
        """Return the accounts."""
        return PlayReport(
            published=dict(self._published),
            skipped=tuple(self._skipped),
            worst_delay_ms=self._worst_delay_s * 1e3,
        )

    def _names(self, topic_map: Mapping[str, str] | None) -> Mapping[str, str]:
        """Return the name to publish under for each topic of the bag that is to be played."""
        topics = self._reader.topics
        if topic_map is None:
            return {t: t for t in topics if self._clock is None or t != _CLOCK_TOPIC}
        if missing := sorted(set(topic_map) - set(topics)):
            raise BagError(
                f'{self._reader.path} has no topic {missing[0]}; it holds {list(topics)}'
            )
        return topic_map

    def _publish(self, message: BagMessage) -> None:
        publisher = self._publishers[message.topic]
        if self._on_publish is not None:
            self._on_publish(message)
        publisher.publish(message.data)
        self._published[publisher.topic_name] += 1

    def _wait_until(self, due_s: float, due_ns: int) -> None:
        """Sleep until the time on the steady clock that is `due_ns` in the bag; tick /clock."""
        while (left_s := due_s - time.monotonic()) > 0:
            self._tick(due_ns - round(left_s * self._rate * 1e9))
            time.sleep(min(left_s, _CLOCK_PERIOD_S))
        self._tick(due_ns)

    def _tick(self, now_ns: int) -> None:
        if self._clock is not None:
            message = Clock()
            message.clock.sec, message.clock.nanosec = divmod(max(now_ns, 0), 1_000_000_000)
            self._clock.publish(message)


@contextmanager
def _player_node() -> Iterator[Node]:
    """Open a node of its own context, so that a caller's rclpy is left as it is."""
    context = Context()
    rclpy.init(context=context)
    node = Node('panoptic_player', context=context, use_global_arguments=False)
    try:
        yield node
    finally:
        node.destroy_node()
        rclpy.try_shutdown(context=context)


def _message_type(name: str) -> type | None:
    """Return the class of a type such as 'sensor_msgs/msg/Image', None if not installed."""
    package, _, message = name.split('/')
    try:
        return getattr(importlib.import_module(f'{package}.msg'), message)
    except (ImportError, AttributeError):
        return None
