# SPDX-License-Identifier: Apache-2.0
"""`model_tools compress`: make a smaller network of a trained one, or go on with it."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from model_tools.commands.common import add_override_option


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        'compress', help='prune and distil a trained network; resumes where --out left off'
    )
    parser.add_argument('--config', type=Path, required=True, help='YAML file of settings')
    parser.add_argument('--out', type=Path, required=True, help='folder of the compression')
    parser.add_argument('--teacher', help='checkpoint to compress; overrides the config')
    parser.add_argument('--data', help='folder or tar of images and labels; overrides the config')
    parser.add_argument('--synthetic', help='folder of `synthesize`; overrides the config')
    add_override_option(
        parser, 'override a setting of the config, for example keep=0.67 or training.epochs=3'
    )
    parser.add_argument(
        '--minutes',
        type=float,
        default=math.inf,
        metavar='M',
        help='stop the tuning after M minutes; call again to go on',
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from model_tools.compression.compress import compress
    from model_tools.compression.config import load_compression
    from model_tools.settings import read_value
    from model_tools.training.stopping import Stop

    stop = Stop(arguments.minutes)
    named = {
        'teacher': arguments.teacher,
        'training.data': arguments.data,
        'training.synthetic': arguments.synthetic,
    }
    config = load_compression(
        arguments.config,
        {
            **{key: value for key, value in named.items() if value is not None},
            **{key: read_value(key, text) for key, text in arguments.set},
        },
    )
    compress(config, arguments.out, stop=stop)
    return 128 + stop.signal if stop.signal else 0
