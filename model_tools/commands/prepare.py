# SPDX-License-Identifier: Apache-2.0
"""`model_tools prepare`: turn BDD100K as distributed into the YOLOP layout."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from model_tools.commands.common import add_limit_option


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        'prepare', help='turn BDD100K as distributed into the YOLOP layout; resumes a cut-off run'
    )
    parser.add_argument('data', type=Path, nargs='?', help='folder of the download, or its tars')
    parser.add_argument('--out', type=Path, metavar='DIR', help='folder of the YOLOP layout')
    parser.add_argument('--splits', nargs='+', default=['train', 'val'], metavar='SPLIT')
    parser.add_argument(
        '--lane-width',
        type=int,
        choices=(2, 8),
        help='pixels of a lane line at 1280x720 (default: 8 for train, 2 for other splits)',
    )
    parser.add_argument(
        '--drivable',
        choices=('merged', 'direct'),
        default='merged',
        help='whether alternative lanes are drivable (default: merged, they are)',
    )
    parser.add_argument('--workers', type=int, default=len(os.sched_getaffinity(0)))
    add_limit_option(parser)
    parser.add_argument(
        '--explain', type=Path, metavar='FILE.png', help='draw how lane edges are paired, and end'
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    if arguments.explain is not None:
        from model_tools.data.pairing_picture import draw_picture

        draw_picture(arguments.explain)
        print(arguments.explain)
        return
    if arguments.data is None or arguments.out is None:
        raise ValueError('nothing to prepare: give DATA and --out DIR, or --explain FILE.png')

    from model_tools.data.prepare import REPORT, PrepareSettings, prepare

    splits = list(dict.fromkeys(arguments.splits))
    report = prepare(
        arguments.data,
        arguments.out,
        splits,
        PrepareSettings(drivable=arguments.drivable, lane_width=arguments.lane_width),
        workers=arguments.workers,
        max_skipped=arguments.max_skipped,
    )
    for split in splits:
        print('\n'.join(lines(split, report[split])))
    print(arguments.out / REPORT)


def lines(split: str, entry: dict[str, Any]) -> list[str]:
    """Return what a split's report says, as lines of text."""
    done = entry['images'] - entry['skipped']
    sources = ', '.join(f'{task} {how}' for task, how in entry['made']['label_sources'].items())
    counts = [('skipped', entry['skipped_by_kind']), ('dropped', entry['dropped_objects'])]
    return [
        f'{split}: {done} of {entry["images"]} images ready, {entry["kept"]} of them before',
        f'  labels: {sources}',
        *(f'  {what}: {kind} {count}' for what, each in counts for kind, count in each.items()),
        *(f'  {sentence}' for sentence in entry['examples']),
    ]
