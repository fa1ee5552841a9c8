# SPDX-License-Identifier: Apache-2.0
"""The `model_tools` command."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence

from model_tools.commands import (
    ablate,
    compare,
    compress,
    data,
    document,
    evaluate,
    experts,
    export,
    prepare,
    quantize,
    summary,
    synthesize,
    train,
)
from panoptic_perception.core.running import run_command


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; return its exit code, 2 after an error that names its cure."""
    parser = argparse.ArgumentParser(prog='model_tools', description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    for module in (
        synthesize,
        prepare,
        data,
        summary,
        train,
        compress,
        ablate,
        quantize,
        export,
        evaluate,
        experts,
        compare,
        document,
    ):
        module.add_parser(commands)
    arguments = parser.parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As standard error does: names of files may be no text, and are printed all the same.
        sys.stdout.reconfigure(errors='backslashreplace')
    return run_command(
        'model_tools',
        lambda: arguments.run(arguments) or 0,
        cure="install what it needs: pip install '.[tools]'",
        stated=ValueError,
    )


if __name__ == '__main__':
    sys.exit(main())
