# SPDX-License-Identifier: Apache-2.0
"""`model_tools evaluate`: score a model file, a checkpoint or a folder of results."""

from __future__ import annotations

import argparse
from pathlib import Path

from model_tools.commands.common import (
    add_input_option,
    add_labels_option,
    add_limit_option,
    add_override_option,
)
from panoptic_perception.core.files import write_json


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        'evaluate', help='score a model file, a checkpoint or results of `panoptic run`'
    )
    parser.add_argument(
        '--model',
        type=Path,
        help='model file, checkpoint, or folder of `panoptic run` (default: the shipped file)',
    )
    parser.add_argument(
        '--data', type=Path, required=True, help='labelled data set: folder or tar shards'
    )
    parser.add_argument('--split', default='val')
    add_input_option(parser)
    parser.add_argument(
        '--protocol',
        nargs='+',
        default=['dataset'],
        metavar='NAME',
        help='dataset, yolop, rmt_ppad: one or several; the first is the headline',
    )
    add_override_option(parser)
    add_labels_option(parser)
    add_limit_option(parser)
    parser.add_argument(
        '--slice', action='append', default=[], metavar='ATTRIBUTE', help='one more slicing'
    )
    parser.add_argument('--threads', type=int, default=0, help='of a model file; 0: automatic')
    parser.add_argument(
        '--precision', default='auto', help='of a model file, as of `panoptic run`; auto: its own'
    )
    parser.add_argument('--out', type=Path, metavar='FILE.json', help='write the record here')
    parser.add_argument('--html', type=Path, metavar='FILE.html', help='write a report page here')
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from model_tools.data.label_set import load_label_set
    from model_tools.data.readers import ReaderSettings, open_data
    from model_tools.evaluation.evaluate import evaluate, merge_records
    from model_tools.evaluation.extremes import extreme_tiles
    from model_tools.evaluation.predictors import make_predictors
    from model_tools.evaluation.protocol import load_protocols
    from model_tools.evaluation.report import table, write_html
    from panoptic_perception.engines import find_model

    _check_outputs(arguments.out, arguments.html)
    protocols = load_protocols(arguments.protocol, dict(arguments.set))
    model = find_model(arguments.model)
    predictors = make_predictors(
        model,
        protocols,
        threads=arguments.threads,
        precision=arguments.precision,
        input_wh=arguments.input,
    )
    settings = ReaderSettings(labels=load_label_set(arguments.labels))
    data = open_data(arguments.data, settings)
    runs = [
        (
            predictor,
            evaluate(
                predictor,
                data,
                arguments.split,
                group,
                max_skipped=arguments.max_skipped,
                slices=arguments.slice,
            ),
        )
        for predictor, group in predictors
    ]
    record = merge_records([evaluation.record() for _, evaluation in runs])
    print(table(record))
    if arguments.out is not None:
        write_json(arguments.out, record)
        print(arguments.out)
    if arguments.html is not None:
        predictor, evaluation = runs[0]
        write_html(record, extreme_tiles(evaluation, predictor, data), arguments.html)
        print(arguments.html)


def _check_outputs(*paths: Path | None) -> None:
    """Make the folders of the outputs; ValueError, before the work, if one cannot be a file."""
    files = [path for path in paths if path is not None]
    if len({path.resolve() for path in files}) < len(files):
        raise ValueError(f"--out and --html both name '{files[0]}': give two files")
    for path in files:
        if path.is_dir():
            raise ValueError(f"'{path}': expected the name of a file to write, found a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
