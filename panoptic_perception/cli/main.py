# SPDX-License-Identifier: Apache-2.0
"""Find the subcommand, and run it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from panoptic_perception import __version__
from panoptic_perception.cli import bag, bench, demo, doctor, info, play, prepare, run
from panoptic_perception.core.running import fail, run_command

_COMMANDS = {
    'run': run,
    'bag': bag,
    'play': play,
    'demo': demo,
    'bench': bench,
    'prepare': prepare,
    'info': info,
    'doctor': doctor,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, 1 (something was lost), 2 (an error) or 130 (Ctrl-C)."""

    def command() -> int:
        args = _parser().parse_args(argv)
        return args.command(args)

    return run_command('panoptic', command, cure='run `panoptic doctor`, which names the cure')


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors look like every other error of the command."""

    def error(self, message: str) -> NoReturn:
        sys.exit(fail('panoptic', f'{message} (see `{self.prog} --help`)'))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog='panoptic',
        description='See road users, drivable area and lane lines in camera images.',
    )
    parser.add_argument('--version', action='version', version=f'panoptic {__version__}')
    commands = parser.add_subparsers(title='commands', metavar='COMMAND', required=True)
    for name, module in _COMMANDS.items():
        sub = commands.add_parser(
            name,
            help=module.HELP,
            description=module.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(sub)
        sub.set_defaults(command=module.main)
    return parser


if __name__ == '__main__':
    sys.exit(main())
