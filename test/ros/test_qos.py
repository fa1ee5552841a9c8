# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy

from panoptic_perception.ros.parameters import Settings
from panoptic_perception.ros.qos import image_qos, silence_advice

IMAGE = 'sensor_msgs/msg/Image'
BEST_EFFORT, RELIABLE = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE


def publisher(reliability, topic_type=IMAGE):
    """Return what rclpy tells about a publisher, as far as the advice looks at it."""
    profile = QoSProfile(depth=1, reliability=reliability)
    return SimpleNamespace(topic_type=topic_type, qos_profile=profile)


def test_image_qos():
    profile = image_qos(Settings(image_reliability='reliable', image_depth=7))
    assert (profile.reliability, profile.depth) == (RELIABLE, 7)
    assert image_qos(Settings()).reliability == BEST_EFFORT


@pytest.mark.parametrize(
    ('settings', 'publishers', 'other', 'cure'),
    [
        ({}, [], False, 'start the camera or remap the topic image'),
        ({}, [], True, 'set image_transport: compressed'),
        ({'image_transport': 'compressed'}, [], True, 'set image_transport: raw'),
        ({}, [publisher(RELIABLE, 'std_msgs/msg/String')], False, 'carries std_msgs/msg/String'),
        (
            {'image_reliability': 'reliable'},
            [publisher(BEST_EFFORT)],
            False,
            'set image_reliability: best_effort',
        ),
        ({}, [publisher(RELIABLE)], False, 'set image_reliability: reliable'),
        ({}, [publisher(BEST_EFFORT)], False, 'config/fastdds_shm.xml'),
        ({'image_reliability': 'reliable'}, [publisher(RELIABLE)], False, 'sends nothing'),
        (
            {'image_reliability': 'reliable'},
            [publisher(BEST_EFFORT), publisher(RELIABLE)],
            False,
            'sends nothing',
        ),
    ],
)
def test_silence_advice(settings, publishers, other, cure):
    advice = silence_advice(
        '/image',
        message_type=IMAGE,
        settings=Settings(**settings),
        publishers=publishers,
        other_transport_has_publishers=other,
    )
    assert '/image' in advice
    assert cure in advice
