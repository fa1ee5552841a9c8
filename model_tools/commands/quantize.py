# SPDX-License-Identifier: Apache-2.0
"""`model_tools quantize`: make an 8 bit model file of a float32 one."""

from __future__ import annotations

import argparse
from pathlib import Path

from model_tools.commands.common import add_labels_option, add_limit_option


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        'quantize', help='write a model file that computes in 8 bits, if it loses little by it'
    )
    parser.add_argument('--model', type=Path, required=True, help='float32 file of `export`')
    parser.add_argument('--data', type=Path, required=True, help='the data set of its training')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE.onnx')
    parser.add_argument(
        '--images',
        type=int,
        default=300,
        metavar='N',
        help='images on which ranges are measured (default: 300)',
    )
    parser.add_argument(
        '--allowed-fall',
        type=float,
        default=0.01,
        metavar='SCORE',
        help='of any score on the hold-out; more is refused (default: 0.01)',
    )
    parser.add_argument(
        '--in-float',
        nargs='+',
        default=[],
        metavar='PART',
        help='parts that stay in float32, which an earlier call has found; default: none',
    )
    add_labels_option(parser)
    add_limit_option(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from tabulate import tabulate

    from model_tools.compression.quantization.quantize import quantize
    from model_tools.data.label_set import load_label_set
    from model_tools.data.readers import ReaderSettings, open_data
    from panoptic_perception.engines import find_model

    data = open_data(arguments.data, ReaderSettings(labels=load_label_set(arguments.labels)))
    result = quantize(
        find_model(arguments.model),
        data,
        arguments.out,
        images=arguments.images,
        in_float=arguments.in_float,
        allowed_fall=arguments.allowed_fall,
        max_skipped=arguments.max_skipped,
    )
    rows = [
        [name, before, result.found.get(name, 0.0)] for name, before in result.reference.items()
    ]
    print(tabulate(rows, ['hold-out', 'float32', '8 bits'], tablefmt='github', floatfmt='.3f'))
    print(f'parts in float32: {", ".join(result.in_float) or "none but the last layers"}')
    print(result.agreement)
    print(arguments.out)
