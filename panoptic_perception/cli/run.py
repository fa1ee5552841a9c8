# SPDX-License-Identifier: Apache-2.0
"""`panoptic run`: perceive images, folders, videos and bags, and write the results as files."""

from __future__ import annotations

import argparse
import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from panoptic_perception.cli.common import (
    CommandError,
    add_model_options,
    check_out_is_no_input,
    load_perceiver,
    make_folder,
    progress,
    say,
)
from panoptic_perception.core.files import write_json

if TYPE_CHECKING:
    from panoptic_perception.bags.frames import Frame, FrameSource
    from panoptic_perception.core.video import VideoFile
    from panoptic_perception.runtime.perceiver import Perceiver

HELP = 'perceive images, folders, videos and bags; write JSON, masks and overlays'
DESCRIPTION = """\
Perceive images, folders of images, videos and bags. For each image NAME (its path below the
input folder without suffix) these files are written to --out:
  NAME.json          boxes and lane lines in source pixels
  NAME.drivable.png  drivable area, 0 or 255, source size        (--save masks)
  NAME.lane.png      lane lines, 0 or 255, source size           (--save masks)
  NAME.overlay.jpg   everything drawn on the image               (--save overlay)
  STEM.overlay.mp4   the drawn frames of each video or bag       (--save video)
  summary.json       counts, failures by name, median times
Files of these names from an earlier run are replaced, nothing else in --out is touched.
The frames of a video or a bag STEM are named STEM_000001 and so on.
The exit code is 1 if an image could not be read; all others are still written."""

_KINDS = ('json', 'masks', 'overlay', 'video')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `panoptic run`."""
    parser.add_argument('inputs', nargs='+', type=Path, metavar='INPUT')
    parser.add_argument('--out', required=True, type=Path, metavar='DIR')
    parser.add_argument(
        '--save',
        type=_kinds,
        default=('json', 'masks', 'overlay'),
        metavar='KINDS',
        help='comma-separated: json, masks, overlay, video (default: json,masks,overlay)',
    )
    parser.add_argument('--image-topic', metavar='T', help='camera topic, if a bag has several')
    parser.add_argument(
        '--score',
        type=_share,
        metavar='S',
        help="lowest score of a box, 0 to 1 (default: the model file's)",
    )
    add_model_options(parser)


def main(args: argparse.Namespace) -> int:
    """Run the command; return 1 if a frame was lost."""
    from panoptic_perception.bags.frames import open_frames

    sources = [open_frames(path, topic=args.image_topic) for path in args.inputs]
    _check_inputs(sources, args.out, args.save)
    make_folder(args.out)
    perceiver = load_perceiver(args)
    if args.score is not None:
        perceiver.thresholds = replace(perceiver.thresholds, score=args.score)
    run = _Run(perceiver, args.out, args.save)
    summary_path = args.out / 'summary.json'
    # One of an earlier run would pass for ours if this one is stopped.
    summary_path.unlink(missing_ok=True)
    start = perf_counter()
    for source in sources:
        run.perceive_source(source)
    seconds = perf_counter() - start

    inputs = [str(path) for path in args.inputs]
    summary = {'inputs': inputs, 'saved': list(args.save), **run.summary(seconds)}
    write_json(summary_path, summary)
    print(
        f'{run.results} of {run.frames} frames in {seconds:.1f} s'
        f' ({run.results / seconds:.1f} frames/s), results in {args.out}'
    )
    return 1 if run.failures else 0


def _kinds(text: str) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(word.strip() for word in text.split(',')))
    if unknown := [word for word in chosen if word not in _KINDS]:
        raise argparse.ArgumentTypeError(
            f'unknown word {", ".join(map(repr, unknown))}; known: {", ".join(_KINDS)}'
        )
    return chosen


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'a number from 0 to 1 is needed, found {text!r}')
    return value


def _check_inputs(sources: Sequence[FrameSource], out: Path, kinds: Sequence[str]) -> None:
    """Refuse, before anything is written, what would mix up results or make no video."""
    if 'video' in kinds and all(source.kind == 'images' for source in sources):
        paths = ', '.join(str(source.path) for source in sources)
        raise CommandError(f'--save video needs a video or a bag, not {paths}')
    owners = {'summary': out / 'summary.json'} if 'json' in kinds else {}
    for source in sources:
        if source.kind == 'images' and {'masks', 'overlay'} & set(kinds):
            check_out_is_no_input(out, source.path)
        for name in source.names:
            if name in owners:
                raise CommandError(
                    f'two images named {name!r} (in {owners[name]} and {source.path}) would'
                    ' overwrite each other: rename one or use a separate --out'
                )
            owners[name] = source.path


class _Run:
    """Perceive frames, write their results, and keep the accounts."""

    def __init__(self, perceiver: Perceiver, out: Path, kinds: Sequence[str]) -> None:
        self.frames = 0
        self.results = 0
        self.failures: list[dict[str, str]] = []
        self._perceiver = perceiver
        self._out = out
        self._kinds = kinds
        self._stages_ms: dict[str, list[float]] = defaultdict(list)

    def perceive_source(self, source: FrameSource) -> None:
        """Perceive every frame of an input."""
        from panoptic_perception.bags.frames import DamagedInputError
        from panoptic_perception.core.video import VideoFile

        with ExitStack() as stack:
            video = None
            if 'video' in self._kinds and source.kind != 'images':
                path = self._out / f'{source.path.stem}.overlay.mp4'
                video = stack.enter_context(VideoFile(path, source.frames_per_second))
            try:
                for frame in progress(source, len(source), 'frame', source.path.name):
                    self._perceive(frame, video)
            except DamagedInputError as error:
                self._fail(source.path.name, str(error))

    def summary(self, seconds: float) -> dict[str, object]:
        """Return the accounts for summary.json."""
        model = self._perceiver.engine.model
        return {
            'frames': self.frames,
            'results': self.results,
            'failed': len(self.failures),
            'failures': self.failures,
            'frames_per_second': round(self.results / seconds, 2),
            'median_ms': {
                stage: round(statistics.median(values), 3)
                for stage, values in self._stages_ms.items()
            },
            'model': {
                'path': str(model.path),
                'sha256': model.sha256,
                'labels': list(model.labels),
                'thresholds': asdict(self._perceiver.thresholds),
            },
            'engine': asdict(self._perceiver.engine.info),
        }

    def _perceive(self, frame: Frame, video: VideoFile | None) -> None:
        from panoptic_perception.cli.result_files import write_result
        from panoptic_perception.core.codec import ImageError
        from panoptic_perception.core.overlay import draw_overlay
        from panoptic_perception.engines import EngineError

        self.frames += 1
        start = perf_counter()
        try:
            image = frame.decode()
            decoded = perf_counter()
            result = self._perceiver(image)
        except (ImageError, EngineError) as error:
            self._fail(frame.name, str(error))
            return
        perceived = perf_counter()
        drawing = video is not None or 'overlay' in self._kinds
        overlay = draw_overlay(image, result) if drawing else None
        drawn = perf_counter()
        write_result(self._out, frame.name, result, overlay, self._kinds)
        if video is not None and overlay is not None:
            video.write(overlay)
        self._stages_ms['read'].append((decoded - start) * 1e3)
        self._stages_ms['preprocess'].append(result.times.pre_ms)
        self._stages_ms['network'].append(result.times.network_ms)
        self._stages_ms['postprocess'].append(result.times.post_ms)
        self._stages_ms['draw'].append((drawn - perceived) * 1e3)
        self._stages_ms['write'].append((perf_counter() - drawn) * 1e3)
        self.results += 1

    def _fail(self, name: str, reason: str) -> None:
        self.failures.append({'image': name, 'reason': reason})
        say(f'panoptic: skipped {name}: {reason}')
