# SPDX-License-Identifier: Apache-2.0
"""`model_tools summary`: what each part of a network costs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_tools.commands.common import add_input_option
from panoptic_perception.core.files import write_json

if TYPE_CHECKING:
    from model_tools.networks.panoptic_net import PanopticNet

DEFAULT_WH = (640, 384)


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        'summary', help='parameters, multiply-accumulates and time of each part of a network'
    )
    network = parser.add_mutually_exclusive_group(required=True)
    network.add_argument('--size', metavar='SIZE', help='a size of the family: n, s, m or l')
    network.add_argument('--config', type=Path, metavar='YAML', help='settings of a run')
    network.add_argument('--checkpoint', type=Path, metavar='FILE', help='checkpoint or weights')
    add_input_option(parser)
    parser.add_argument('--threads', type=int, default=1, help='of ONNX Runtime (default: 1)')
    parser.add_argument(
        '--repeats', type=int, default=20, metavar='N', help='times are medians of N (default: 20)'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the table here, too')
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from model_tools.export.summary import summarise

    threads, repeats = arguments.threads, arguments.repeats
    if min(threads, repeats) < 1:
        raise ValueError(f'--threads {threads} --repeats {repeats}: expected 1 or more of each')
    net, input_wh = _network(arguments)
    width, height = arguments.input or input_wh
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
    record = summarise(net, (width, height), threads=threads, repeats=repeats)
    print(_table(record))
    print(
        f'input {width}x{height}; ONNX Runtime, threads: {threads}, medians of {repeats} runs;\n'
        'each part runs alone, the total is the whole model file, conversions and NMS included'
    )
    if arguments.json is not None:
        write_json(arguments.json, record)
        print(arguments.json)


def _network(arguments: argparse.Namespace) -> tuple[PanopticNet, tuple[int, int]]:
    """Return the network and the input size of its run."""
    from model_tools.networks.config import NetworkConfig
    from model_tools.networks.panoptic_net import PanopticNet
    from model_tools.training.checkpoint import load_checkpoint, network_of
    from model_tools.training.config import load_config

    if arguments.checkpoint is not None:
        state = load_checkpoint(arguments.checkpoint)
        width, height = state['training']['input_wh']
        return network_of(state, arguments.checkpoint), (width, height)
    if arguments.config is not None:
        # A network is the same whatever it is to learn from.
        config = load_config(arguments.config, {'data': 'any'})
        return PanopticNet(config.network), config.input_wh
    return PanopticNet(NetworkConfig.from_dict({'size': arguments.size})), DEFAULT_WH


def _table(record: Mapping[str, Any]) -> str:
    from tabulate import tabulate

    rows = [
        (name, f'{costs["parameters"]:,}', f'{costs["gmac"]:.3f}', f'{costs["ms"]:.1f}')
        for name, costs in {**record['parts'], 'total': record['total']}.items()
    ]
    return tabulate(
        rows,
        ('part', 'parameters', 'GMAC', 'ms'),
        disable_numparse=True,
        colalign=('left', 'right', 'right', 'right'),
    )
