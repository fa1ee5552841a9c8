# SPDX-License-Identifier: Apache-2.0
"""`panoptic info`: what a model file says about itself."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

HELP = 'show what a model file says about itself'
DESCRIPTION = """\
Check a model file against the contract and show its metadata. Without MODEL, the shipped one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `panoptic info`."""
    parser.add_argument('model', nargs='?', type=Path, metavar='MODEL')
    parser.add_argument('--json', action='store_true', help='print JSON instead of a table')


def main(args: argparse.Namespace) -> int:
    """Run the command."""
    from panoptic_perception.engines.model_file import find_model, read_model

    model = read_model(find_model(args.model))
    width, height = model.input_wh
    facts = {
        'path': str(model.path),
        'sha256': model.sha256,
        'size_bytes': model.path.stat().st_size,
        'schema': model.schema,
        'labels': list(model.labels),
        'input': {'height': height, 'width': width, 'pad_value': model.pad_value},
        'thresholds': vars(model.thresholds),
        'precision': model.precision,
        'provenance': model.provenance,
        'metrics': model.metrics,
    }
    if args.json:
        print(json.dumps(facts, indent=2))
        return 0
    for key, value in _rows(facts):
        print(f'{key:<32} {value}')
    print(
        f'{"checks":<32} passed: the file follows the model file contract, schema {model.schema}'
    )
    return 0


def _rows(value: object, prefix: str = '') -> list[tuple[str, str]]:
    """Flatten nested metadata to dotted names and short values."""
    if isinstance(value, dict):
        return [
            row
            for key, item in value.items()
            for row in _rows(item, f'{prefix}.{key}' if prefix else str(key))
        ]
    if isinstance(value, list):
        return [(prefix, ', '.join(map(str, value)))]
    return [(prefix, str(value))]
