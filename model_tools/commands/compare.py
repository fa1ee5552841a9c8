# SPDX-License-Identifier: Apache-2.0
"""`model_tools compare`: tell where one network scores other than another."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        'compare', help='print what a network lost or won against another, slice by slice'
    )
    parser.add_argument('before', type=Path, metavar='BEFORE.json', help='what evaluate wrote')
    parser.add_argument('after', type=Path, metavar='AFTER.json', help='the same of the other')
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from model_tools.evaluation.report.difference import difference_table
    from model_tools.evaluation.report.document import read_record

    print(difference_table(read_record(arguments.before), read_record(arguments.after)))
