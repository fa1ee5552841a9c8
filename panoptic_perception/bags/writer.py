# SPDX-License-Identifier: Apache-2.0
"""Write an MCAP recording that is complete or not there at all."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from panoptic_perception.bags.types import typestore

_UNSPECIFIED = QosTime(0, 0)


class BagWriter:
    """
    Write one `.mcap` file; use as a context manager.

    Equal calls give equal bytes. The file appears under its name when the block ends without
    an exception; otherwise nothing is left.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> BagWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Its finalizer removes it even if Ctrl-C comes before the block has begun.
        self._folder = TemporaryDirectory(prefix='.recording-', dir=self.path.parent)
        # The folder's name is written into the file: a fixed one keeps the bytes equal.
        # From version 9 on, QoS profiles are written in a form that Humble does not read.
        self._writer = Writer(
            Path(self._folder.name) / 'recording', version=8, storage_plugin=StoragePlugin.MCAP
        )
        # Masks shrink a hundredfold.
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._writer.close()
                (self._writer.path / 'recording.mcap').replace(self.path)
            else:
                self._writer.abort()
        finally:
            self._folder.cleanup()

    def add_topic(self, topic: str, msgtype: str, *, latched: bool = False) -> None:
        """Announce a topic; a latched one reaches late subscribers when the bag is played."""
        self._connections[topic] = self._writer.add_connection(
            topic,
            msgtype,
            typestore=typestore(),
            offered_qos_profiles=[_profile(latched)],
        )

    def write(self, topic: str, data: bytes | memoryview, receive_ns: int) -> None:
        """Append a serialised message of an announced topic."""
        self._writer.write(self._connections[topic], receive_ns, data)


def _profile(latched: bool) -> Qos:
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=1 if latched else 10,
        reliability=QosReliability.RELIABLE,
        durability=QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        deadline=_UNSPECIFIED,
        lifespan=_UNSPECIFIED,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=_UNSPECIFIED,
        avoid_ros_namespace_conventions=False,
    )
