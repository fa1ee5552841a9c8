# SPDX-License-Identifier: Apache-2.0
"""A public network file, ready to run: one image tensor in, a list of arrays out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from panoptic_perception.core.results import EngineInfo

Shape = tuple[int | str, ...]
"""Sizes of a tensor; a name, or '?', where the file leaves one open."""


class ExpertError(ValueError):
    """An expert that cannot be had here; one sentence for the user."""


class Network(Protocol):
    """A network file loaded into an engine."""

    path: Path
    sha256: str
    parameters: int
    """Floating-point weights of the file."""
    info: EngineInfo
    """What really runs it."""
    input_shapes: tuple[Shape, ...]
    output_shapes: tuple[Shape, ...]

    def run(self, blob: np.ndarray) -> Sequence[np.ndarray]:
        """Run on one image (1, 3, H, W) float32; return the outputs in the file's order."""


def open_network(path: Path, *, threads: int) -> Network:
    """Load an ONNX file, or an OpenVINO IR (the .xml, with its .bin beside it).

    Raises:
        ExpertError: The file is not there or is not a network, or its engine is not installed.

    """
    if not path.is_file():
        raise ExpertError(f"'{path}' is no file: put the expert's file there or leave it out")
    if path.suffix == '.xml':
        from model_tools.evaluation.experts.openvino_network import OpenVinoNetwork

        return OpenVinoNetwork(path, threads=threads)
    from model_tools.evaluation.experts.onnx_network import OnnxNetwork

    return OnnxNetwork(path, threads=threads)


def input_wh(network: Network) -> tuple[int, int]:
    """Return width and height of a network that takes one image of fixed size."""
    match network.input_shapes:
        case ((1, 3, int(height), int(width)),):
            return width, height
    raise ExpertError(
        f"'{network.path}': expected one input of shape (1, 3, height, width), "
        f'found {_text(network.input_shapes)}: is it the file of another network?'
    )


def check_outputs(network: Network, expected: Sequence[Shape]) -> None:
    """Refuse a network whose outputs are not those that the decoder reads."""
    if network.output_shapes != tuple(expected):
        raise ExpertError(
            f"'{network.path}': expected outputs of shape {_text(expected)}, "
            f'found {_text(network.output_shapes)}: is it the file of another network?'
        )


def file_hash(*paths: Path) -> str:
    """Return the SHA-256 of the files' bytes, one after the other: `cat FILES | sha256sum`."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _text(shapes: Sequence[Shape]) -> str:
    return ', '.join(f'({", ".join(map(str, shape))})' for shape in shapes)
