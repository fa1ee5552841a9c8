# SPDX-License-Identifier: Apache-2.0
"""`model_tools train`: train a network, or go on with a run that was cut off."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = commands.add_parser('train', help='train a network; resumes where --out left off')
    parser.add_argument('--config', type=Path, required=True, help='YAML file of settings')
    parser.add_argument('--out', type=Path, required=True, help='folder of the run')
    parser.add_argument('--data', help='folder or tar of images and labels; overrides the config')
    parser.add_argument('--synthetic', help='folder of `synthesize`; overrides the config')
    parser.add_argument('--warm-start', help='YOLOX-nano ONNX file; overrides the config')
    parser.add_argument(
        '--max-skipped',
        type=float,
        metavar='SHARE',
        help='share of the images that may be unusable; overrides the config',
    )
    parser.add_argument('--epochs', type=int, help='overrides the config')
    parser.add_argument(
        '--stop-after', type=int, metavar='EPOCH', help='end the run there; call again to go on'
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from model_tools.training.config import load_config
    from model_tools.training.trainer import train

    config = load_config(
        arguments.config,
        data=arguments.data,
        synthetic=arguments.synthetic,
        warm_start=arguments.warm_start,
        max_skipped=arguments.max_skipped,
        epochs=arguments.epochs,
    )
    print(train(config, arguments.out, stop_after=arguments.stop_after))
