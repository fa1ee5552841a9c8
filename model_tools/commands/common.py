# SPDX-License-Identifier: Apache-2.0
"""Options that several subcommands share."""

from __future__ import annotations

import argparse


def add_override_option(
    parser: argparse.ArgumentParser,
    help: str = 'override a setting of the protocol, for example min_box_height=12',
) -> None:
    """Add `--set`, which changes settings: those of the evaluation protocols, if not others."""
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        type=_pair,
        metavar='SETTING=VALUE',
        help=help,
    )


def add_labels_option(parser: argparse.ArgumentParser) -> None:
    """Add `--labels`, which chooses what the categories of a data set are called."""
    parser.add_argument(
        '--labels', default='default', help='label set: default, vehicle, or a YAML file'
    )


def add_limit_option(parser: argparse.ArgumentParser) -> None:
    """Add `--max-skipped`, the share of images that may be unusable."""
    parser.add_argument(
        '--max-skipped',
        type=float,
        default=0.01,
        metavar='SHARE',
        help='share of the images that may be unusable (default: 0.01)',
    )


def _pair(text: str) -> tuple[str, str]:
    setting, equals, value = text.partition('=')
    if not (setting and equals):
        raise argparse.ArgumentTypeError(f'SETTING=VALUE is needed, found {text!r}')
    return setting, value
