# SPDX-License-Identifier: Apache-2.0
"""config/panoptic_perception.rviz shows topics that the node has, with a QoS that matches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

FILE = Path(__file__).parents[2] / 'config' / 'panoptic_perception.rviz'
MESSAGE_TYPES = {'rviz_default_plugins/Image': 'sensor_msgs/msg/Image'}


@pytest.fixture(scope='module')
def view() -> dict:
    return yaml.safe_load(FILE.read_text())


@pytest.fixture(scope='module')
def displays(view: dict) -> dict[str, dict]:
    return {item['Name']: item for item in view['Visualization Manager']['Displays']}


@pytest.fixture
def node(tiny_model: Path) -> Iterator:
    rclpy = pytest.importorskip('rclpy', reason='rclpy is missing: make setup, or source ROS 2')
    from panoptic_perception.ros.panoptic_node import PanopticNode

    rclpy.init(args=['--ros-args', '-p', f'model:={tiny_model}'], domain_id=97)
    node = PanopticNode()
    yield node
    node.close()
    node.destroy_node()
    rclpy.try_shutdown()


def test_view_shows_camera_overlay_and_masks(view: dict, displays: dict[str, dict]) -> None:
    assert set(displays) == {'Camera', 'Overlay', 'Drivable area', 'Lane lines'}
    assert all(item['Class'] in MESSAGE_TYPES and item['Enabled'] for item in displays.values())
    assert view['Visualization Manager']['Global Options']['Fixed Frame'] == 'base_link'
    # Every display has its place in the window.
    assert set(displays) < set(view['Window Geometry'])


def test_outputs_are_published_with_the_type_and_qos_of_the_view(
    node, displays: dict[str, dict]
) -> None:
    for name in set(displays) - {'Camera'}:
        topic = node.resolve_topic_name(displays[name]['Topic']['Value'])
        (publisher,) = node.get_publishers_info_by_topic(topic)
        assert publisher.topic_type == MESSAGE_TYPES[displays[name]['Class']]
        # RViz asks for no more than the node offers, and for no less: big images need reliability.
        wanted = displays[name]['Topic']
        offered = publisher.qos_profile
        assert wanted['Reliability Policy'].upper() == offered.reliability.name
        assert wanted['Durability Policy'].upper() == offered.durability.name
        assert wanted['History Policy'] == 'Keep Last'


def test_camera_is_the_input_of_the_node(node, displays: dict[str, dict]) -> None:
    node.trigger_configure()
    node.trigger_activate()
    topic = displays['Camera']['Topic']
    (subscription,) = node.get_subscriptions_info_by_topic(node.resolve_topic_name(topic['Value']))
    assert subscription.topic_type == MESSAGE_TYPES[displays['Camera']['Class']]
    # Best effort matches every camera, whatever it offers.
    assert topic['Reliability Policy'] == 'Best Effort'
