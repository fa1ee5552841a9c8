# SPDX-License-Identifier: Apache-2.0
"""Quality of service of the topics, and the cure when no image comes through."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo

from panoptic_perception.ros.parameters import Settings

OUTPUT = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
_RELIABILITY = {
    'best_effort': ReliabilityPolicy.BEST_EFFORT,
    'reliable': ReliabilityPolicy.RELIABLE,
}


def image_qos(settings: Settings) -> QoSProfile:
    """Return the profile of the camera subscription."""
    return QoSProfile(
        depth=settings.image_depth, reliability=_RELIABILITY[settings.image_reliability]
    )


def silence_advice(
    topic: str,
    *,
    message_type: str,
    settings: Settings,
    publishers: Sequence[TopicEndpointInfo],
    other_transport_has_publishers: bool,
) -> str:
    """
    Say why no image arrives on a topic and which setting cures it.

    Args:
        topic: The fully qualified topic that the node subscribes to.
        message_type: The type that it subscribes to, as in 'sensor_msgs/msg/Image'.
        settings: The node's settings.
        publishers: Everybody who publishes on the topic.
        other_transport_has_publishers: Whether the images come by the transport not chosen.
    """
    other = 'raw' if settings.image_transport == 'compressed' else 'compressed'
    if not publishers and other_transport_has_publishers:
        return f'nothing publishes {topic}, but its {other} sibling: set image_transport: {other}'
    if not publishers:
        return f'nothing publishes {topic}: start the camera or remap the topic image'
    types = {info.topic_type for info in publishers}
    if message_type not in types:
        return (
            f'{topic} carries {", ".join(sorted(types))}, not {message_type}: '
            'remap the topic image or set image_transport'
        )
    offered = {info.qos_profile.reliability for info in publishers}
    if settings.image_reliability == 'reliable' and offered == {ReliabilityPolicy.BEST_EFFORT}:
        return f'{topic} is published best effort: set image_reliability: best_effort'
    if settings.image_reliability == 'best_effort' and ReliabilityPolicy.RELIABLE in offered:
        return (
            f'{topic} has a publisher but its images get lost, as big ones do on default DDS '
            'settings: set image_reliability: reliable, or start the camera with the DDS profile '
            'config/fastdds_shm.xml'
        )
    return (
        f'{topic} has a publisher that sends nothing, or big images that get lost: look at the '
        'camera, or start it with the DDS profile config/fastdds_shm.xml'
    )
