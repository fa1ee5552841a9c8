# SPDX-License-Identifier: Apache-2.0
"""`panoptic prepare`: build ahead what TensorRT would build at the first start."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from panoptic_perception.cli.common import say

HELP = 'build ahead what TensorRT needs for a model file'
DESCRIPTION = """\
Build a model file for this machine's NVIDIA GPU with TensorRT, which takes minutes, and keep what
was built, so that a node with `device: tensorrt` starts at once. Without MODEL, the shipped one.
The exit code is 1 if it could not be kept."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `panoptic prepare`."""
    parser.add_argument('model', nargs='?', type=Path, metavar='MODEL')


def main(args: argparse.Namespace) -> int:
    """Run the command; return 1 if nothing could be kept."""
    from panoptic_perception.engines import find_model, load_engine
    from panoptic_perception.engines.onnxruntime_engine import OnnxRuntimeEngine

    start = time.monotonic()
    engine = load_engine(find_model(args.model), device='tensorrt')
    if engine.info.note:
        say(engine.info.note)
    assert isinstance(engine, OnnxRuntimeEngine)  # no other engine has TensorRT
    if engine.kept_in is None:
        say('panoptic: nothing is kept: set XDG_CACHE_HOME to a folder that can be written')
        return 1
    print(
        f'{engine.kept_in}: ready after {time.monotonic() - start:.0f} s, {engine.info.precision}'
    )
    return 0
