# SPDX-License-Identifier: Apache-2.0
"""`model_tools compress`: make a smaller network of a trained one, or go on with it."""

from __future__ import annotations

import argparse

from model_tools.commands.common import add_override_option, add_run_options, given


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        'compress', help='prune and distil a trained network; resumes where --out left off'
    )
    add_run_options(
        parser,
        config='settings',
        minutes='stop after M minutes, in mid-tuning if need be; call again to go on',
    )
    parser.add_argument('--teacher', help='checkpoint to compress; overrides the config')
    add_override_option(
        parser, 'override a setting of the config, for example keep=0.67 or training.epochs=3'
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from model_tools.compression.compress import compress
    from model_tools.compression.config import load_compression
    from model_tools.training.stopping import Stop

    stop = Stop(arguments.minutes)
    named = {
        'teacher': arguments.teacher,
        'training.data': arguments.data,
        'training.synthetic': arguments.synthetic,
    }
    config = load_compression(
        arguments.config,
        given(arguments, named),
    )
    compress(config, arguments.out, stop=stop)
    return 128 + stop.signal if stop.signal else 0
