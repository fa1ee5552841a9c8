# SPDX-License-Identifier: Apache-2.0
"""`model_tools evaluate`: score a model file on a labelled split."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = commands.add_parser('evaluate', help='score a model file on a labelled split')
    parser.add_argument('--model', type=Path, help='model file (default: the shipped one)')
    parser.add_argument('--data', type=Path, required=True, help='folder in the YOLOP layout')
    parser.add_argument('--split', default='val')
    parser.add_argument('--out', type=Path, metavar='FILE.json', help='write the scores here')
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from model_tools.evaluation.evaluate import score_split
    from panoptic_perception.engines import default_model_path, read_model

    model = read_model(arguments.model or default_model_path())
    scores = score_split(model.path, arguments.data, arguments.split).summary(model.thresholds)
    print(table(scores))
    if arguments.out is not None:
        report = {
            'model_sha256': model.sha256,
            'split': arguments.split,
            'min_box_height_px': 12,
            'thresholds': vars(model.thresholds),
            'scores': scores,
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(report, indent=2) + '\n')


def table(scores: dict) -> str:
    """Return the scores of each source as lines of text."""
    labels = list(scores['all']['detection'])
    head = ['source', 'images', *(f'{label} AP50' for label in labels), 'drivable IoU', 'lane IoU']
    rows = [
        [
            source,
            values['images'],
            *(values['detection'][label]['ap50'] for label in labels),
            values['drivable_iou'],
            values['lane_iou'],
        ]
        for source, values in scores.items()
    ]
    cells = [[_text(value) for value in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return '\n'.join(
        '  '.join(value.rjust(width) for value, width in zip(row, widths, strict=True))
        for row in cells
    )


def _text(value: object) -> str:
    if value is None:
        return '-'
    return f'{value:.3f}' if isinstance(value, float) else str(value)
