# SPDX-License-Identifier: Apache-2.0
"""What several subcommands share: model options, progress, whole files."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from panoptic_perception.core.errors import StatedError

if TYPE_CHECKING:
    from panoptic_perception.runtime.perceiver import Perceiver

T = TypeVar('T')


class CommandError(StatedError):
    """A command cannot go on; the message is the sentence for the user."""


def add_model_option(parser: argparse._ActionsContainer) -> None:
    """Add the option that chooses the model file."""
    parser.add_argument(
        '--model',
        type=Path,
        metavar='FILE',
        help='path, or name of a shipped one (default: panoptic.onnx)',
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the model file and how it runs."""
    group = parser.add_argument_group('model')
    add_model_option(group)
    group.add_argument('--engine', default='auto', help='auto, onnxruntime or openvino')
    group.add_argument('--device', default='auto', help='auto, cpu, cuda or tensorrt')
    group.add_argument(
        '--precision',
        default='auto',
        help='auto (that of the model file, on TensorRT fp16), fp32, bf16, fp16, int8, int8-bf16',
    )
    group.add_argument(
        '--provider-policy',
        default='strict',
        help='strict: refuse what cannot be had (default); fallback: run what can be had',
    )
    group.add_argument(
        '--threads', type=int, default=0, metavar='N', help="0: the engine's safe choice (default)"
    )


def load_perceiver(args: argparse.Namespace) -> Perceiver:
    """Load the model that the options of `add_model_options` name, and say what runs it."""
    from panoptic_perception.engines import load_engine
    from panoptic_perception.engines.model_file import find_model
    from panoptic_perception.runtime.perceiver import Perceiver

    engine = load_engine(
        find_model(args.model),
        engine=args.engine,
        device=args.device,
        precision=args.precision,
        threads=args.threads,
        provider_policy=args.provider_policy,
    )
    info = engine.info
    say(
        f'panoptic: {engine.model.path.name} on {info.engine} {info.provider}, {info.precision},'
        f' threads={info.threads}'
    )
    if info.note:
        say(f'panoptic: warning: {info.note}')
    return Perceiver(engine)


def progress(items: Iterable[T], total: int, unit: str, text: str = '') -> Iterable[T]:
    """Show a bar on a terminal while the items are consumed, if that takes 3 seconds or more."""
    from tqdm import tqdm

    return tqdm(items, total=total or None, unit=unit, desc=text or None, delay=3, disable=None)


def say(text: str) -> None:
    """Print a line to standard error without breaking a progress bar."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)


def make_folder(path: Path) -> None:
    """Create a folder and make sure that files can be written into it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise CommandError(f'{path} is not a folder: choose another --out') from error
    if not os.access(path, os.W_OK):
        raise CommandError(f'{path} cannot be written to: choose another --out')


def check_out_is_no_input(out: Path, images: Path) -> None:
    """Refuse an output folder whose pictures the next run would take for input images."""
    if images.is_dir() and out.resolve().is_relative_to(images.resolve()):
        raise CommandError(
            f'--out {out} lies in the input folder {images}, so the next run would read its'
            ' pictures as input: choose an --out elsewhere'
        )
