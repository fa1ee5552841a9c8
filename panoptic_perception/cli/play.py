# SPDX-License-Identifier: Apache-2.0
"""`panoptic play`: replay a bag over ROS with /clock."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from panoptic_perception.cli.common import CommandError

HELP = 'replay a bag over ROS at its recorded pace, with /clock'
DESCRIPTION = """\
Publish the messages of a bag at their recorded pace, with /clock for nodes that run with
use_sim_time. Messages are passed on as they were recorded, bit for bit."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `panoptic play`."""
    parser.add_argument('bag', type=Path, metavar='BAG')
    parser.add_argument(
        '--rate', type=replay_rate, default=1.0, metavar='R', help='speed, default 1'
    )
    parser.add_argument('--loop', action='store_true', help='start again at the end, until Ctrl-C')


def main(args: argparse.Namespace) -> int:
    """Run the command until the bag ends."""
    require_ros()
    from panoptic_perception.ros.player import play

    report = play(args.bag, rate=args.rate, loop=args.loop)
    print(report)
    return 0


def require_ros() -> None:
    """Make sure that rclpy can be imported; without it, raise the cure."""
    try:
        importlib.import_module('rclpy')
    except ImportError as error:
        raise CommandError(
            f'this command needs ROS 2 ({error}): source /opt/ros/DISTRO/setup.bash first, or run'
            ' `make setup` and use .venv/bin/panoptic'
        ) from error


def replay_rate(text: str) -> float:
    """Read the speed of a replay from the command line."""
    rate = float(text)
    if not 0.01 <= rate <= 100:
        raise argparse.ArgumentTypeError(f'must lie between 0.01 and 100, got {text}')
    return rate
