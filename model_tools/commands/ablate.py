# SPDX-License-Identifier: Apache-2.0
"""`model_tools ablate`: compress one teacher in several ways, with several seeds, and compare."""

from __future__ import annotations

import argparse
import sys

from model_tools.commands.common import add_override_option, add_run_options, given


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        'ablate', help='compress in several ways and compare; resumes where --out left off'
    )
    add_run_options(
        parser, config='the variants', minutes='stop after M minutes; call again to go on'
    )
    parser.add_argument('--teacher', help='checkpoint to compress; overrides the config')
    add_override_option(
        parser, 'override a setting of the config, for example compression.keep=0.67'
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from model_tools.compression.ablation import ablate
    from model_tools.compression.ablation_config import load_ablation
    from model_tools.training.stopping import Stop

    stop = Stop(arguments.minutes)
    named = {
        'compression.teacher': arguments.teacher,
        'compression.training.data': arguments.data,
        'compression.training.synthetic': arguments.synthetic,
        'compression.training.cache': str(arguments.out.resolve() / 'cache'),
        'compression.latencies': str(arguments.out.resolve() / 'latencies.json'),
    }
    ablation = load_ablation(
        arguments.config,
        given(arguments, named),
    )
    if ablate(ablation, arguments.out, stop=stop):
        print((arguments.out / 'ablation.md').read_text(), end='')
    else:
        print('stopped: the same command goes on', file=sys.stderr)
    return 128 + stop.signal if stop.signal else 0
