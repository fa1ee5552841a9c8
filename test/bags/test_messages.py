# SPDX-License-Identifier: Apache-2.0
"""The messages built here equal those that the node publishes, field for field."""

from __future__ import annotations

import numpy as np
import pytest

from panoptic_perception.bags import messages
from panoptic_perception.bags.types import (
    COMPRESSED_IMAGE,
    DETECTIONS,
    IMAGE,
    LABEL_INFO,
    deserialize,
    serialize,
)

STAMP_NS = 1_700_000_000_123_456_789


@pytest.fixture
def ros():
    pytest.importorskip('rclpy', reason='ROS 2 is not installed')
    from panoptic_perception.ros import messages as ros_messages

    return ros_messages


def normal_bytes(message, msgtype) -> memoryview:
    """Serialise a ROS message; rclpy leaves random bytes in the padding between fields."""
    from rclpy.serialization import serialize_message

    return serialize(deserialize(serialize_message(message), msgtype), msgtype)


def ros_header():
    from builtin_interfaces.msg import Time
    from std_msgs.msg import Header

    return Header(stamp=Time(sec=1_700_000_000, nanosec=123_456_789), frame_id='camera')


def test_header__nanoseconds_survive():
    image = messages.image_message(messages.header(STAMP_NS, 'camera'), np.zeros((2, 3), np.uint8))
    assert messages.stamp_ns(image) == STAMP_NS
    assert (image.header.stamp.sec, image.header.stamp.nanosec) == (1_700_000_000, 123_456_789)


@pytest.mark.parametrize('empty', [True, False])
def test_detections_message__equals_the_node(ros, perceiver, scene, empty):
    result = perceiver(np.zeros_like(scene) if empty else scene)
    assert len(result.detections) == (0 if empty else 3)
    ours = messages.detections_message(messages.header(STAMP_NS, 'camera'), result)
    assert serialize(ours, DETECTIONS) == normal_bytes(
        ros.detections_message(ros_header(), result), DETECTIONS
    )


@pytest.mark.parametrize('shape', [(4, 6), (4, 6, 3)])
def test_image_message__equals_the_node(ros, shape):
    image = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)[:, ::-1]
    ours = messages.image_message(messages.header(STAMP_NS, 'camera'), image)
    assert serialize(ours, IMAGE) == normal_bytes(ros.image_message(ros_header(), image), IMAGE)


def test_jpeg_message__equals_the_node(ros, scene):
    ours = messages.jpeg_message(messages.header(STAMP_NS, 'camera'), scene, quality=80)
    theirs = ros.jpeg_message(ros_header(), scene, quality=80)
    assert serialize(ours, COMPRESSED_IMAGE) == normal_bytes(theirs, COMPRESSED_IMAGE)


def test_label_info_message__equals_the_node(ros):
    ours = messages.label_info_message(('vehicle', 'person'), 0.3)
    theirs = ros.label_info_message(('vehicle', 'person'), 0.3)
    assert serialize(ours, LABEL_INFO) == normal_bytes(theirs, LABEL_INFO)
