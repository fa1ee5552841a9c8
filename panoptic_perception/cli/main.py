# SPDX-License-Identifier: Apache-2.0
"""Find the subcommand, run it, and turn every error into one sentence."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from panoptic_perception import __version__
from panoptic_perception.cli import bag, bench, demo, doctor, info, play, prepare, run
from panoptic_perception.core.errors import StatedError

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
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, 1 (something was lost), 2 (an error) or 130 (Ctrl-C)."""
    # A plain `kill` shall clean up as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        args = _parser().parse_args(argv)
        return args.command(args)
    except KeyboardInterrupt:
        print('panoptic: interrupted', file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone, as with `| head`; nothing may be flushed to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ImportError as error:
        _fail(
            f'{error.name or "a library"} cannot be imported ({error}):'
            ' run `panoptic doctor`, which names the cure'
        )
    except (StatedError, OSError) as error:
        _fail(_sentence(error))


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors look like every other error of the command."""

    def error(self, message: str) -> NoReturn:
        _fail(f'{message} (see `{self.prog} --help`)')


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


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f'{error.filename}: {error.strerror}'
    return str(error)


def _fail(sentence: str) -> NoReturn:
    print(f'panoptic: error: {sentence}', file=sys.stderr)
    sys.exit(2)


if __name__ == '__main__':
    sys.exit(main())
