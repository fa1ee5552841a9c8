# SPDX-License-Identifier: Apache-2.0
"""Read rosbag2 recordings (MCAP and sqlite3), damaged ones as far as they go."""

from __future__ import annotations

import heapq
import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from rosbags.interfaces import QosDurability
from rosbags.rosbag2 import Reader
from rosbags.serde import SerdeError

from panoptic_perception.bags.damage import WholeRecords
from panoptic_perception.bags.types import COMPRESSED_IMAGE, IMAGE, deserialize
from panoptic_perception.core.codec import ImageError, decode_compressed, decode_image
from panoptic_perception.core.errors import StatedError

if TYPE_CHECKING:
    from rosbags.interfaces.typing import RPath

_STORAGE = ('.mcap', '.db3')


class BagError(StatedError, ValueError):
    """A bag cannot be read, or does not hold what was asked for."""


class DamagedBagError(BagError):
    """A bag ended early; every message before the damage was handed out."""


@dataclass(frozen=True)
class Topic:
    """What a bag says about one topic."""

    name: str
    msgtype: str
    count: int
    latched: bool


@dataclass(frozen=True)
class BagMessage:
    """One recorded message in its serialised form."""

    topic: str
    msgtype: str
    receive_ns: int
    data: bytes


@dataclass(frozen=True)
class BagFrame:
    """One recorded camera image, decoded when asked; `number` counts from 1."""

    number: int
    stamp_ns: int
    receive_ns: int
    frame_id: str
    message: Any

    def decode(self) -> np.ndarray:
        """Return the (H, W, 3) uint8 BGR image; raise `ImageError` on a broken frame."""
        if self.message is None:
            raise ImageError('bad_message', 'the message bytes do not form an image message')
        if self.message.__msgtype__ == COMPRESSED_IMAGE:
            return decode_compressed(self.message.data, described=self.message.format)
        return decode_image(
            encoding=self.message.encoding,
            width=self.message.width,
            height=self.message.height,
            step=self.message.step,
            is_bigendian=bool(self.message.is_bigendian),
            data=self.message.data,
        )


def is_bag(path: Path) -> bool:
    """Tell whether a path looks like a recording: a bag folder or a storage file."""
    if path.is_dir():
        files = [file.name for file in path.iterdir() if file.is_file()]
        # Without metadata.yaml, as after a crash, a bag folder holds storage files alone.
        return 'metadata.yaml' in files or (
            bool(files) and all(re.search(r'\.(mcap|db3(-wal|-shm)?)$', name) for name in files)
        )
    return path.suffix in (*_STORAGE, '.bag')


class BagReader:
    """
    Open a recording for reading; use as a context manager.

    Only the image types are deserialised, so other types in the bag need no definition.
    A bag that was cut off opens too: its messages come first, then `DamagedBagError`.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._stack = ExitStack()
        self._readers: list[Reader] = []
        self._damage = ''

    def __enter__(self) -> BagReader:
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every file of the recording."""
        self._stack.close()
        self._readers = []

    @property
    def topics(self) -> dict[str, Topic]:
        """Every topic by name, in the order of the names."""
        topics: dict[str, Topic] = {}
        for reader in self._readers:
            for connection in reader.connections:
                known = topics.get(connection.topic)
                profiles = getattr(connection.ext, 'offered_qos_profiles', [])
                topics[connection.topic] = Topic(
                    name=connection.topic,
                    msgtype=connection.msgtype,
                    count=connection.msgcount + (known.count if known else 0),
                    latched=any(
                        profile.durability is QosDurability.TRANSIENT_LOCAL for profile in profiles
                    ),
                )
        return dict(sorted(topics.items()))

    @property
    def start_ns(self) -> int:
        """Receive time of the first message."""
        return min(reader.start_time for reader in self._readers)

    @property
    def end_ns(self) -> int:
        """Receive time of the last message."""
        return max(reader.end_time for reader in self._readers) - 1

    def frames_per_second(self, topic: str) -> float:
        """Return the mean rate of a topic over the length of the bag, 0 if that is not known."""
        count, seconds = self.topics[topic].count, (self.end_ns - self.start_ns) / 1e9
        return (count - 1) / seconds if count > 1 and seconds > 0 else 0.0

    def image_topics(self) -> list[str]:
        """Return the topics that carry raw or compressed camera images."""
        return [t.name for t in self.topics.values() if t.msgtype in (IMAGE, COMPRESSED_IMAGE)]

    def image_topic(self, wanted: str | None = None) -> str:
        """Return the image topic asked for, or the only one; refuse to guess among several."""
        candidates = self.image_topics()
        listed = ', '.join(candidates) if candidates else 'none'
        if wanted is None and len(candidates) == 1:
            wanted = candidates[0]
        if wanted in candidates:
            if self.topics[wanted].count == 0:
                raise BagError(f'{self.path} has no message on {wanted}')
            return wanted
        if not candidates:
            others = ', '.join(self.topics) or 'no topics at all'
            raise BagError(
                f'{self.path} has no image topic (sensor_msgs Image or CompressedImage);'
                f' it holds {others}'
            )
        if wanted is None:
            raise BagError(
                f'{self.path} has several image topics, choose one with --image-topic: {listed}'
            )
        raise BagError(f'{self.path} has no image topic {wanted}; its image topics: {listed}')

    def messages(self, topics: Collection[str] | None = None) -> Iterator[BagMessage]:
        """
        Yield the messages of all or some topics in the order of their receive times.

        Raises:
            DamagedBagError: After the last readable message of a damaged bag.
        """
        streams = []
        for reader in self._readers:
            chosen = [c for c in reader.connections if topics is None or c.topic in topics]
            if chosen:
                streams.append(reader.messages(chosen))
        count = 0
        merged = heapq.merge(*streams, key=lambda item: item[1])
        while True:
            try:
                connection, receive_ns, data = next(merged)
            except StopIteration:
                break
            except Exception as error:  # rosbags lets a dozen error types out of a damaged file
                raise DamagedBagError(
                    f'{self.path} is damaged after {count} messages ({_reason(error)});'
                    ' everything before was read'
                ) from error
            count += 1
            yield BagMessage(connection.topic, connection.msgtype, receive_ns, bytes(data))
        if self._damage:
            raise DamagedBagError(self._damage)

    def image_frames(self, topic: str) -> Iterator[BagFrame]:
        """Yield the frames of one image topic; a broken one raises only when decoded."""
        for number, message in enumerate(self.messages([topic]), 1):
            try:
                image: Any = deserialize(message.data, message.msgtype)
            except SerdeError:
                yield BagFrame(number, message.receive_ns, message.receive_ns, '', None)
                continue
            stamp = image.header.stamp
            stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
            yield BagFrame(number, stamp_ns, message.receive_ns, image.header.frame_id, image)

    def _open(self) -> None:
        if not self.path.exists():
            raise BagError(f'{self.path} does not exist')
        if self.path.suffix == '.bag':
            raise BagError(
                f'{self.path} is a ROS 1 bag; convert it first:'
                f' rosbags-convert --src {self.path} --dst {self.path.with_suffix("")}'
            )
        if not is_bag(self.path):
            raise BagError(f'{self.path} is no recording (a bag folder, .mcap or .db3)')
        if not self.path.is_dir():
            self._open_file(self.path)
        elif not self._open_folder():
            for path in _storage_files(self.path):
                self._open_file(path)
        if not self._readers:
            raise BagError(f'{self.path} holds no .mcap or .db3 file')

    def _open_folder(self) -> bool:
        """Open a bag folder by its metadata.yaml; return False if only its files can help."""
        try:
            self._readers = [self._stack.enter_context(Reader(self.path))]
        except Exception:  # rosbags lets a dozen error types out of a damaged folder
            return False
        return True

    def _open_file(self, path: Path) -> None:
        try:
            self._readers.append(self._stack.enter_context(Reader(path)))
            return
        except PermissionError as error:
            raise BagError(f'{path} cannot be read: {error.strerror}') from error
        except Exception as error:  # as above
            if path.suffix != '.mcap':
                raise BagError(f'{path} is not readable: {_reason(error)}') from error
        whole = WholeRecords(path)
        try:
            self._readers.append(self._stack.enter_context(Reader(cast('RPath', whole))))
        except Exception as error:  # as above
            raise BagError(f'{path} is not readable: {_reason(error)}') from error
        if not self._readers[-1].connections:
            raise BagError(
                f'{path} was cut off before its first whole record: nothing is readable'
            )
        self._damage = (
            f'{path} was cut off after byte {whole.end} of its data (a crash or a full disk?);'
            ' every whole record before was read'
        )


def _storage_files(folder: Path) -> list[Path]:
    """Return the storage files of a bag folder; part 10 comes after part 9."""
    files = [path for path in folder.iterdir() if path.suffix in _STORAGE]
    return sorted(files, key=lambda p: [int(n) for n in re.findall(r'\d+', p.stem)] or [0])


def _reason(error: Exception) -> str:
    return ' '.join(str(error).split()).rstrip('.') or type(error).__name__
