# SPDX-License-Identifier: Apache-2.0
"""`model_tools export`: turn a checkpoint into the model file of the contract."""

from __future__ import annotations

import argparse
from pathlib import Path

from model_tools.commands.common import add_input_option, add_limit_option, add_override_option


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        'export', help='write a checkpoint as a model file, with thresholds and scores inside'
    )
    parser.add_argument('--checkpoint', type=Path, required=True, help='last.pt of a run')
    parser.add_argument('--data', type=Path, required=True, help='the data set of the run')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE.onnx')
    add_input_option(parser)
    add_override_option(parser)
    add_limit_option(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from model_tools.evaluation.report import table
    from model_tools.export.release import release

    record, parity = release(
        arguments.checkpoint,
        arguments.data,
        arguments.out,
        input_wh=arguments.input,
        overrides=dict(arguments.set),
        max_skipped=arguments.max_skipped,
    )
    print(table(record))
    print(f'against the network in float64: {parity}')
    print(arguments.out)
