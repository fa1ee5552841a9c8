# SPDX-License-Identifier: Apache-2.0
"""`panoptic demo`: a drive through the real node, measured, recorded and drawn."""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any

from panoptic_perception.cli.common import (
    CommandError,
    add_model_option,
    check_out_is_no_input,
    make_folder,
    progress,
    say,
)
from panoptic_perception.cli.play import replay_rate, require_ros
from panoptic_perception.core.files import write_json

if TYPE_CHECKING:
    from panoptic_perception.bags.frames import FrameSource
    from panoptic_perception.ros.drive import DriveReport

HELP = 'run the real ROS node on a drive and show what it saw'
DESCRIPTION = """\
Start the real node as its own process, send it a drive over DDS at the recorded pace, record what
it publishes, and draw that. INPUT is a video, a folder of images or one image (2 frames a second),
or a bag; without INPUT it is the bundled synthetic drive. In --out you find
  overlay.mp4   the drive with what the node answered, and its rate and age
  overlay.png   nine moments of it on one sheet
  results.mcap  the recorded messages
  summary.json  counts, latencies, model, engine
  node.log      what the node printed
Files of these names from an earlier run are removed first, nothing else in --out is touched.
The exit code is 1 if the accounts do not balance, no result came, or input was unreadable."""

_CAMERA_TOPIC = '/camera/image/compressed'
_JPEG_QUALITY = 95
_FILES = ('overlay.mp4', 'overlay.png', 'results.mcap', 'summary.json', 'node.log')
_ACCOUNTS = ('results', 'dropped_newer', 'dropped_stale', 'invalid', 'failed')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `panoptic demo`."""
    parser.add_argument('input', nargs='?', type=Path, metavar='INPUT')
    parser.add_argument('--out', type=Path, default=Path('out/demo'), metavar='DIR')
    add_model_option(parser)
    parser.add_argument(
        '--rate', type=replay_rate, default=1.0, metavar='R', help='speed, default 1'
    )
    parser.add_argument('--image-topic', metavar='T', help='camera topic, if a bag has several')


def main(args: argparse.Namespace) -> int:
    """Run the command; return 1 if the accounts do not balance or nothing was answered."""
    require_ros()
    from panoptic_perception.bags.frames import open_frames
    from panoptic_perception.bags.reader import BagReader
    from panoptic_perception.cli.demo_pictures import draw_drive
    from panoptic_perception.engines import find_model
    from panoptic_perception.ros.drive import drive
    from panoptic_perception.ros.node_process import NodeProcessError

    frames = open_frames(args.input or bundled_drive(), topic=args.image_topic)
    if frames.kind == 'images':
        check_out_is_no_input(args.out, frames.path)
    _clear(args.out, frames.path)
    skipped: list[str] = []
    damage = ''
    with ExitStack() as stack:
        bag = frames.path
        if frames.kind != 'bag':
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix='.', dir=args.out))
            bag = Path(folder) / 'drive.mcap'
            skipped, damage = _write_bag(frames, bag)
        with BagReader(bag) as reader:
            topic = reader.topics[reader.image_topic(args.image_topic)]
            seconds = (reader.end_ns - reader.start_ns) / 1e9
        print(
            f'driving {frames.path}: {topic.count} frames, {seconds / args.rate:.0f} s', flush=True
        )
        results = args.out / 'results.mcap'
        try:
            report = drive(
                bag,
                topic.name,
                topic.msgtype,
                results,
                model=find_model(args.model),
                rate=args.rate,
                log=args.out / 'node.log',
            )
        except NodeProcessError as error:
            raise CommandError(f'{error} (more in {args.out / "node.log"})') from error
        summary = _summary(frames.path, report) | {
            'skipped': skipped,
            'damage': damage or report.damage,
        }
        write_json(args.out / 'summary.json', summary)
        if report.latency_ms:
            draw_drive(bag, topic.name, results, report.latency_ms, args.out)
    return _tell(summary, args.out)


def bundled_drive() -> Path:
    """Return the synthetic drive that comes with the package."""
    import panoptic_perception

    path = Path(panoptic_perception.__file__).parent / 'demo' / 'synthetic_drive.mp4'
    if not path.is_file():
        raise CommandError(f'the bundled drive {path} is missing: give an INPUT')
    return path


def _clear(out: Path, source: Path) -> None:
    """Make the output folder and remove an earlier drive: it would pass for ours if we fail."""
    files = [out / name for name in _FILES]
    if source.resolve() in [file.resolve() for file in files]:
        raise CommandError(f'{source} would be overwritten: choose another --out')
    make_folder(out)
    for file in files:
        file.unlink(missing_ok=True)


def _write_bag(frames: FrameSource, bag: Path) -> tuple[list[str], str]:
    """Write a bag of JPEG messages; return the names of unreadable frames, and the damage."""
    from panoptic_perception.bags import messages
    from panoptic_perception.bags.frames import DamagedInputError
    from panoptic_perception.bags.types import COMPRESSED_IMAGE, serialize
    from panoptic_perception.bags.writer import BagWriter
    from panoptic_perception.core.codec import ImageError

    skipped, damage = [], ''
    start_ns, written = time_ns(), 0
    with BagWriter(bag) as writer:
        writer.add_topic(_CAMERA_TOPIC, COMPRESSED_IMAGE)
        try:
            for frame in progress(frames, len(frames), 'frame', 'preparing'):
                stamp_ns = start_ns + frame.stamp_ns
                head = messages.header(stamp_ns, 'camera')
                try:
                    message = messages.jpeg_message(head, frame.decode(), quality=_JPEG_QUALITY)
                except ImageError as error:
                    skipped.append(frame.name)
                    say(f'panoptic: skipped {frame.name}: {error}')
                    continue
                writer.write(_CAMERA_TOPIC, serialize(message, COMPRESSED_IMAGE), stamp_ns)
                written += 1
        except DamagedInputError as error:
            damage = str(error)
    if not written:
        raise CommandError(f'no frame of {frames.path} could be read')
    return skipped, damage


def _summary(source: Path, report: DriveReport) -> dict[str, Any]:
    """Return what goes into summary.json; the accounts are the node's own, from /diagnostics."""
    import numpy as np

    status = report.status
    latencies = list(report.latency_ms.values()) or [0.0]
    p50, p95, p99 = (round(float(value), 2) for value in np.percentile(latencies, (50, 95, 99)))
    return {
        'input': str(source),
        'frames_sent': report.sent,
        'frames_received': int(status['received']),
        **{name: int(status[name]) for name in _ACCOUNTS},
        'invalid_reasons': {
            key.removeprefix('invalid/'): int(value)
            for key, value in status.items()
            if key.startswith('invalid/')
        },
        'results_recorded': len(report.latency_ms),
        'latency_ms': {'p50': p50, 'p95': p95, 'p99': p99},
        **{
            f'{stage}_ms': {
                quantile: float(status[f'{stage}_{quantile}_ms']) for quantile in ('p50', 'p95')
            }
            for stage in ('inference', 'overhead')
        },
        'fps': round(report.results_per_s, 2),
        **{key: status[key] for key in ('model', 'engine', 'provider', 'precision')},
        'threads': int(status['threads']),
    }


def _tell(summary: dict[str, Any], out: Path) -> int:
    """Print what happened and where to look; return the exit code."""
    sent, results = summary['frames_sent'], summary['results']
    latency, inference = summary['latency_ms'], summary['inference_ms']
    print(
        f'{results} of {sent} frames answered ({100 * results / max(sent, 1):.0f} %),'
        f' {summary["fps"]:.1f} results/s'
    )
    print(
        f'from publishing an image to its detections: {latency["p50"]:.0f} ms (median),'
        f' {latency["p95"]:.0f} ms (p95); of that the network: {inference["p50"]:.0f} ms'
    )
    print(f'{summary["model"]} on {summary["engine"]}, {summary["precision"]}')
    print(f'look at {out / "overlay.mp4"} and {out / "overlay.png"}; all figures: summary.json')
    if summary['damage']:
        say(f'panoptic: {summary["damage"]}')
    if summary['frames_received'] != sum(summary[name] for name in _ACCOUNTS):
        say('panoptic: the accounts do not balance, see summary.json')
        return 1
    if not results:
        say('panoptic: the node answered no frame, see node.log')
        return 1
    return 1 if summary['damage'] or summary['skipped'] else 0
