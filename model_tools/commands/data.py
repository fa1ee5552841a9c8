# SPDX-License-Identifier: Apache-2.0
"""`model_tools data stats|preview|check|speed`: look at a data set before training on it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from model_tools.commands.common import add_labels_option, add_override_option, given
from panoptic_perception.core.files import write_json


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand and its four tools."""
    parser = commands.add_parser('data', help='look at a data set: stats, preview, check, speed')
    tools = parser.add_subparsers(dest='tool', required=True, metavar='TOOL')

    stats = tools.add_parser('stats', help='count images, labels, objects and conditions')
    _add_data(stats)
    stats.add_argument('--split', metavar='S', help='one split only')
    stats.add_argument('--out', type=Path, metavar='DIR', help='write stats.json and stats.png')
    stats.set_defaults(run=_stats)

    preview = tools.add_parser('preview', help='draw images with their labels on one sheet')
    _add_data(preview)
    preview.add_argument('--split', metavar='S', help='default: train, or else the first')
    preview.add_argument('--count', type=int, default=24, metavar='N')
    preview.add_argument('--seed', type=int, default=0, help='another seed, other images')
    preview.add_argument('--names', nargs='+', metavar='NAME', help='these images only')
    preview.add_argument('--out', type=Path, required=True, metavar='FILE.png|jpg')
    preview.set_defaults(run=_preview)

    check = tools.add_parser(
        'check',
        help='find broken files, duplicates, and leaks between splits',
        description='Read every image and label, and compare the images by a perceptual hash. '
        'Exit code 1 if a file is broken, or if a picture or a group (drive, city, sequence) is '
        'in two splits; 0 otherwise.',
    )
    _add_data(check)
    check.add_argument('--splits', nargs='+', metavar='S', help='default: all')
    check.add_argument(
        '--max-distance', type=int, metavar='N', help='bits of 256 that differ in a copy (24)'
    )
    check.add_argument('--out', type=Path, metavar='FILE.json', help='write every finding')
    check.set_defaults(run=_check)

    speed = tools.add_parser(
        'speed',
        help='measure how fast a training run makes its pictures, and learns from them',
        description='Make random batches as `train` does, with and without the network, and '
        'print images a second and the share of the time that the input takes.',
    )
    speed.add_argument('data', help='a folder, a folder of tar shards, or one tar')
    speed.add_argument('--config', type=Path, required=True, help='YAML file of `train`')
    add_override_option(speed, 'override a setting of the config, for example batch_size=8')
    speed.add_argument('--steps', type=int, default=10, metavar='N', help='batches (default: 10)')
    speed.add_argument('--out', type=Path, metavar='FILE.json', help='write the numbers')
    speed.set_defaults(run=_speed)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('data', type=Path, help='a folder, a folder of tar shards, or one tar')
    add_labels_option(parser)


def _open(arguments: argparse.Namespace) -> Any:
    from model_tools.data.label_set import load_label_set
    from model_tools.data.readers import ReaderSettings, open_data

    return open_data(arguments.data, ReaderSettings(labels=load_label_set(arguments.labels)))


def _stats(arguments: argparse.Namespace) -> None:
    from model_tools.data.tools.stats import data_stats
    from model_tools.data.tools.stats_plot import draw_stats
    from model_tools.data.tools.stats_tables import stats_tables

    splits = None if arguments.split is None else [arguments.split]
    stats = data_stats(_open(arguments), splits, progress=_bar)
    print(stats_tables(stats))
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        write_json(arguments.out / 'stats.json', stats)
        draw_stats(stats, arguments.out / 'stats.png')
        print(arguments.out)


def _preview(arguments: argparse.Namespace) -> None:
    import cv2

    from model_tools.data.problems import Problems
    from model_tools.data.tools.preview import preview_sheet, spread_names

    if arguments.count < 1:
        raise ValueError(f'--count is 1 or more, found {arguments.count}')
    if arguments.out.suffix not in ('.png', '.jpg'):
        raise ValueError(f"--out is a .png or .jpg file, found '{arguments.out}'")
    data = _open(arguments)
    splits = data.splits()
    split = arguments.split or ('train' if 'train' in splits else splits[0])
    problems = Problems(len(data.names(split)), limit=1)
    names = arguments.names or spread_names(
        data, split, arguments.count, seed=arguments.seed, problems=problems
    )
    sheet = preview_sheet(data, split, names, problems=problems)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(arguments.out), sheet):
        raise OSError(f"cannot write '{arguments.out}': is the disk full or read-only?")
    # Images are read to choose them, and again to show them: what is wrong is noted twice.
    for sentence in dict.fromkeys(problems.summary()['examples']):
        print(sentence)
    print(arguments.out)


def _check(arguments: argparse.Namespace) -> int:
    from model_tools.data.tools.check import MAX_DISTANCE, check_data, sentences

    distance = MAX_DISTANCE if arguments.max_distance is None else arguments.max_distance
    findings = check_data(_open(arguments), arguments.splits, max_distance=distance, progress=_bar)
    for sentence in sentences(findings):
        print(sentence)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        write_json(arguments.out, findings.as_dict())
        print(arguments.out)
    return 0 if findings.passed else 1


def _speed(arguments: argparse.Namespace) -> None:
    from model_tools.training.config import load_config
    from model_tools.training.input_speed import input_speed

    if arguments.steps < 1:
        raise ValueError(f'--steps is 1 or more, found {arguments.steps}')
    config = load_config(arguments.config, given(arguments, {'data': arguments.data}))
    speed = input_speed(config, steps=arguments.steps)
    print(json.dumps(speed, indent=2))
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        write_json(arguments.out, speed)


def _bar(split: str, names: Sequence[str]) -> Iterable[str]:
    return tqdm(names, desc=split, unit='image', disable=None)
