# SPDX-License-Identifier: Apache-2.0
"""Know every message type of the package without ROS."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
DETECTIONS = 'vision_msgs/msg/Detection2DArray'
LABEL_INFO = 'vision_msgs/msg/LabelInfo'

_VISION_MSGS = Path(__file__).parent / 'vision_msgs'


@lru_cache(maxsize=1)
def typestore() -> Typestore:
    """Return the message types of ROS 2 with vision_msgs 4.x, which rosbags does not bring."""
    store = get_typestore(Stores.ROS2_KILTED)
    definitions = {}
    for path in sorted(_VISION_MSGS.glob('*.msg')):
        definitions.update(get_types_from_msg(path.read_text(), f'vision_msgs/msg/{path.stem}'))
    store.register(definitions)
    return store


def serialize(message: object, msgtype: str) -> memoryview:
    """Return the little-endian CDR bytes of a message, the same on every machine."""
    return typestore().serialize_cdr(message, msgtype, little_endian=True)


def deserialize(data: bytes | memoryview, msgtype: str) -> object:
    """Return the message of CDR bytes; raise `rosbags.serde.SerdeError` if they do not fit."""
    return typestore().deserialize_cdr(data, msgtype)
