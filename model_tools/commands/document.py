# SPDX-License-Identifier: Apache-2.0
"""`model_tools document`: quote the scores of a record in Markdown files."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = commands.add_parser('document', help='quote the scores of a record in documents')
    parser.add_argument(
        '--scores', type=Path, required=True, metavar='FILE.json', help='what evaluate wrote'
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        '--write',
        type=Path,
        nargs='+',
        default=[],
        metavar='FILE.md',
        help='put the table between the markers of these files (default: print it)',
    )
    action.add_argument(
        '--check',
        type=Path,
        nargs='+',
        default=[],
        metavar='FILE.md',
        help='fail if one of these files says anything else',
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from model_tools.evaluation.report.document import check, documented_table, read_record, write

    table = documented_table(read_record(arguments.scores))
    for path in arguments.write:
        write(path, table)
    for path in arguments.check:
        check(path, table)
    if not arguments.write and not arguments.check:
        print(table)
