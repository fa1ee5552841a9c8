# SPDX-License-Identifier: Apache-2.0
"""`panoptic bag`: from a bag with camera images to a bag with the node's outputs, without ROS."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

from panoptic_perception.cli.common import (
    CommandError,
    add_model_options,
    load_perceiver,
    progress,
    say,
)

HELP = 'perceive every frame of a bag; write the outputs of the node to a new bag'
DESCRIPTION = """\
Perceive every frame of a bag and write what the node would publish to an MCAP file: detections,
masks and label info on the node's default topics, with the headers and receive times of the
source frames. The same input gives the same bytes on every run. A JSON summary goes to standard
output. The exit code is 1 if a frame was lost, that is broken or behind the end of a damaged bag.

--realtime-sim answers another question: which frames would a vehicle have dropped? Frames arrive
at their receive times, one worker handles the newest. Each frame takes its measured time, so the
result differs a little from run to run; --inference-ms fixes that time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `panoptic bag`."""
    parser.add_argument('input', type=Path, metavar='IN')
    parser.add_argument('--out', required=True, type=Path, metavar='OUT.mcap')
    parser.add_argument('--image-topic', metavar='T', help='camera topic, if the bag has several')
    parser.add_argument('--overlay', action='store_true', help='add the drawn frames as JPEG')
    parser.add_argument(
        '--realtime-sim', action='store_true', help='drop frames as a vehicle does'
    )
    parser.add_argument(
        '--inference-ms',
        type=milliseconds,
        metavar='MS',
        help='time of one frame for --realtime-sim',
    )
    add_model_options(parser)


def main(args: argparse.Namespace) -> int:
    """Run the command; return 1 if a frame was lost."""
    if args.out.suffix != '.mcap':
        raise CommandError(f'--out must end in .mcap, got {args.out}')
    if args.out.exists() and args.input.exists() and args.out.samefile(args.input):
        raise CommandError(f'--out {args.out} is the input itself: choose another name')
    if args.inference_ms is not None and not args.realtime_sim:
        raise CommandError('--inference-ms has a meaning only with --realtime-sim')

    from panoptic_perception.bags.process import process_bag

    summary = process_bag(
        args.input,
        args.out,
        load_perceiver(args),
        image_topic=args.image_topic,
        overlay=args.overlay,
        realtime=args.realtime_sim,
        inference_ms=args.inference_ms,
        progress=partial(progress, unit='frame'),
    )
    for lost in summary.lost:
        say(f'panoptic: lost {lost}')
    if summary.damage:
        say(f'panoptic: {summary.damage}')
    print(json.dumps(summary.as_json() | {'out': str(args.out)}, indent=2))
    return 1 if summary.lost or summary.damage else 0


def milliseconds(text: str) -> float:
    """Read the time of one frame from the command line."""
    time_ms = float(text)
    if not 0 <= time_ms <= 60_000:
        raise argparse.ArgumentTypeError(f'must lie between 0 and 60000, got {text}')
    return time_ms
