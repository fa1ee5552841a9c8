# SPDX-License-Identifier: Apache-2.0
"""`model_tools train`: train a network, or go on with a run that was cut off."""

from __future__ import annotations

import argparse

from model_tools.commands.common import add_override_option, add_run_options, given


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = commands.add_parser('train', help='train a network; resumes where --out left off')
    add_run_options(
        parser,
        config='settings',
        minutes='stop after M minutes, in mid-epoch if need be; call again to go on',
    )
    parser.add_argument(
        '--max-skipped',
        type=float,
        metavar='SHARE',
        help='share of the images that may be unusable; overrides the config',
    )
    add_override_option(
        parser, 'override a setting of the config, for example network.size=s or epochs=40'
    )
    parser.add_argument(
        '--devices', type=int, metavar='N', help='processes on this machine (default: all GPUs)'
    )
    parser.add_argument(
        '--nodes',
        type=int,
        metavar='N',
        help='machines, on each of which the same command is started (default: 1)',
    )
    parser.add_argument(
        '--stop-after', type=int, metavar='EPOCH', help='end the run there; call again to go on'
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from model_tools.training.config import load_config
    from model_tools.training.stopping import Stop
    from model_tools.training.trainer import train

    stop = Stop(arguments.minutes)
    named = {key: getattr(arguments, key) for key in ('data', 'synthetic', 'max_skipped')}
    config = load_config(
        arguments.config,
        given(arguments, named),
    )
    train(
        config,
        arguments.out,
        devices=arguments.devices,
        nodes=arguments.nodes,
        stop_after=arguments.stop_after,
        stop=stop,
    )
    return 128 + stop.signal if stop.signal else 0
