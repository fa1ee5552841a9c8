# SPDX-License-Identifier: Apache-2.0
"""`model_tools document`: quote the figures of a record in Markdown files."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = commands.add_parser('document', help='quote the figures of a record in documents')
    record = parser.add_mutually_exclusive_group(required=True)
    record.add_argument('--scores', type=Path, metavar='FILE.json', help='what evaluate wrote')
    record.add_argument('--experts', type=Path, metavar='TABLE.json', help='what experts wrote')
    parser.add_argument(
        '--networks', nargs='+', default=[], metavar='NAME', help='of --experts (default: all)'
    )
    parser.add_argument(
        '--marker',
        metavar='NAME',
        help='where in the files: between <!-- NAME --> and <!-- /NAME --> '
        '(default: scores or experts)',
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
    from model_tools.evaluation.experts.quote import quoted_comparison, read_comparison
    from model_tools.evaluation.report.document import check, documented_table, read_record, write

    if arguments.experts:
        comparison = read_comparison(arguments.experts)
        marker, table = 'experts', quoted_comparison(comparison, arguments.networks)
    else:
        marker, table = 'scores', documented_table(read_record(arguments.scores))
    marker = arguments.marker or marker
    for path in arguments.write:
        write(path, table, marker=marker)
    for path in arguments.check:
        check(path, table, marker=marker)
    if not arguments.write and not arguments.check:
        print(table)
