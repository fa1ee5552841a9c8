# SPDX-License-Identifier: Apache-2.0
"""`model_tools experts`: score and time public networks beside our model files."""

from __future__ import annotations

import argparse
from pathlib import Path

from model_tools.commands.common import (
    add_labels_option,
    add_limit_option,
    add_override_option,
)


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        'experts', help='score and time public networks beside our model files'
    )
    parser.add_argument(
        '--experts', type=Path, required=True, metavar='DIR', help='folder of their files'
    )
    parser.add_argument('--names', nargs='+', metavar='NAME', help='some of them (default: all)')
    parser.add_argument(
        '--model',
        type=Path,
        nargs='+',
        metavar='FILE',
        help='model files of the first rows (default: the shipped ones)',
    )
    parser.add_argument(
        '--data', type=Path, required=True, help='labelled data set: folder or tar shards'
    )
    parser.add_argument('--split', default='val')
    add_override_option(parser)
    add_labels_option(parser)
    add_limit_option(parser)
    parser.add_argument('--threads', type=int, default=1, help='of each network (default: 1)')
    parser.add_argument(
        '--out', type=Path, required=True, metavar='DIR', help='records, table and page go here'
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from model_tools.data.label_set import load_label_set
    from model_tools.data.readers import ReaderSettings, open_data
    from model_tools.evaluation.experts.comparison import compare
    from model_tools.evaluation.experts.contender import expert_contender, model_contender
    from model_tools.evaluation.experts.registry import EXPERTS
    from model_tools.evaluation.protocol import load_protocols
    from panoptic_perception.engines import find_model, shipped_models

    threads = arguments.threads
    if threads < 1:
        raise ValueError(f'--threads is 1 or more, found {threads}')
    (protocol,) = load_protocols(['dataset'], dict(arguments.set))
    data = open_data(arguments.data, ReaderSettings(labels=load_label_set(arguments.labels)))
    contenders = [
        *(
            model_contender(find_model(model), threads=threads)
            for model in arguments.model or shipped_models()
        ),
        *(
            expert_contender(name, arguments.experts, threads=threads)
            for name in dict.fromkeys(arguments.names or EXPERTS)
        ),
    ]
    compare(
        contenders,
        data,
        arguments.split,
        protocol,
        arguments.out,
        threads=threads,
        max_skipped=arguments.max_skipped,
    )
    print((arguments.out / 'README.md').read_text())
