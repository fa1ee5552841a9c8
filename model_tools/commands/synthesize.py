# SPDX-License-Identifier: Apache-2.0
"""`model_tools synthesize`: render synthetic drives with exact labels."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = commands.add_parser('synthesize', help='render synthetic drives with exact labels')
    parser.add_argument(
        '--out', type=Path, help='a folder (YOLOP layout) or FILE.mp4 (one continuous drive)'
    )
    parser.add_argument(
        '--sheet', type=Path, metavar='FILE.png', help='a picture of labelled frames'
    )
    parser.add_argument('--seed', type=int, default=0)
    length = parser.add_mutually_exclusive_group()
    length.add_argument('--frames', type=int, metavar='N', help='how many frames (default 24)')
    length.add_argument('--seconds', type=float, metavar='S', help='how long, at --fps')
    parser.add_argument('--fps', type=float, default=10.0)
    parser.add_argument('--size', type=size_wh, default=(640, 360), metavar='WxH')
    parser.add_argument(
        '--scenario',
        default='mixed',
        help='"mixed" (new conditions every few frames) or words such as city-night-rain',
    )
    parser.add_argument('--split', default='train', choices=('train', 'val'))
    parser.set_defaults(run=_run)


def size_wh(text: str) -> tuple[int, int]:
    """Read a size such as 640x360."""
    width, cross, height = text.lower().partition('x')
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f'a size such as 640x360 is needed, found {text!r}')
    return int(width), int(height)


def _run(arguments: argparse.Namespace) -> None:
    from model_tools.data.synthetic import export

    if arguments.out is None and arguments.sheet is None:
        raise ValueError('nothing to write: give --out DIR, --out FILE.mp4 or --sheet FILE.png')
    frames = 24 if arguments.frames is None else arguments.frames
    if arguments.seconds is not None:
        if not 0 < arguments.seconds < float('inf'):
            raise ValueError(f'--seconds is a time above 0, found {arguments.seconds:g}')
        frames = round(arguments.seconds * arguments.fps)
    settings = export.Settings(
        frames=frames,
        seed=arguments.seed,
        fps=arguments.fps,
        size_wh=arguments.size,
        scenario=arguments.scenario,
    )

    def progress(indices: Iterable[int]) -> Iterable[int]:
        return tqdm(indices, unit='frame', disable=None)

    if arguments.out is not None:
        if arguments.out.suffix == '.mp4':
            export.write_video(settings, arguments.out, progress=progress)
        else:
            export.write_folder(settings, arguments.out, split=arguments.split, progress=progress)
        print(arguments.out)
    if arguments.sheet is not None:
        export.write_sheet(settings, arguments.sheet, progress=progress)
        print(arguments.sheet)
