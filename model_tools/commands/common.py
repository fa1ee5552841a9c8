# SPDX-License-Identifier: Apache-2.0
"""Options that several subcommands share."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path

from model_tools.commands.synthesize import size_wh

STRIDE = 32
"""Of the deepest features: an input of another size would not divide."""


def add_run_options(parser: argparse.ArgumentParser, *, config: str, minutes: str) -> None:
    """Add what all commands take that train: settings, folder, data and time; see `given`."""
    parser.add_argument('--config', type=Path, required=True, help=f'YAML file of {config}')
    parser.add_argument('--out', type=Path, required=True, help='folder of all that is made')
    parser.add_argument('--data', help='folder or tar of images and labels; overrides the config')
    parser.add_argument('--synthetic', help='folder of `synthesize`; overrides the config')
    parser.add_argument('--minutes', type=float, default=math.inf, metavar='M', help=minutes)


def given(arguments: argparse.Namespace, named: Mapping[str, object]) -> dict[str, object]:
    """Return the settings that the command line overrides: those of options, and of `--set`.

    Args:
        arguments: With what `add_override_option` added.
        named: By name of the setting, what an option of its own said; None: nothing.

    """
    from model_tools.settings import read_value

    options = {key: value for key, value in named.items() if value is not None}
    return {**options, **{key: read_value(key, text) for key, text in arguments.set}}


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


def add_input_option(parser: argparse.ArgumentParser) -> None:
    """Add `--input`, the size of the pictures that the network of a checkpoint gets."""
    parser.add_argument(
        '--input',
        type=_input_wh,
        metavar='WxH',
        help='input size, multiples of 32 (default: that of the run)',
    )


def _input_wh(text: str) -> tuple[int, int]:
    width, height = size_wh(text)
    if min(width, height) < STRIDE or width % STRIDE or height % STRIDE:
        raise argparse.ArgumentTypeError(f'multiples of {STRIDE} are needed, found {text!r}')
    return width, height


def _pair(text: str) -> tuple[str, str]:
    setting, equals, value = text.partition('=')
    if not (setting and equals):
        raise argparse.ArgumentTypeError(f'SETTING=VALUE is needed, found {text!r}')
    return setting, value
