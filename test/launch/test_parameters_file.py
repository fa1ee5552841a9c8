# SPDX-License-Identifier: Apache-2.0
"""config/panoptic_perception.yaml lists every parameter of the node, at its default."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

FILE = Path(__file__).parents[2] / 'config' / 'panoptic_perception.yaml'


def test_file_holds_the_declared_defaults_and_nothing_else() -> None:
    pytest.importorskip('rclpy', reason='rclpy is missing: make setup, or source ROS 2')
    from panoptic_perception.ros.parameters import Settings

    content = yaml.safe_load(FILE.read_text())

    assert content == {'/**': {'ros__parameters': dataclasses.asdict(Settings())}}
    values = content['/**']['ros__parameters']
    # YAML and ROS tell 1 from 1.0.
    assert {name: type(value) for name, value in values.items()} == {
        field.name: type(field.default) for field in dataclasses.fields(Settings)
    }
    assert list(values) == [field.name for field in dataclasses.fields(Settings)]
