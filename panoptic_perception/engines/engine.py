# SPDX-License-Identifier: Apache-2.0
"""The interface of every engine and the check of what a network returned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from panoptic_perception.core.errors import StatedError
from panoptic_perception.core.results import EngineInfo
from panoptic_perception.engines.model_file import ModelInfo


class EngineError(StatedError, RuntimeError):
    """An engine that cannot be had here, or that failed to run."""


class EngineOutputError(EngineError):
    """A network that ran, but whose output must not be used."""


@dataclass(frozen=True, eq=False)
class NetworkOutput:
    """
    The outputs of a batch of N images with M boxes in all, in network pixels.

    Boxes `(M, 4)` float32 x1 y1 x2 y2, scores `(M,)` float32, labels and batch_index `(M,)` int64;
    drivable and lane `(N, H, W)` uint8, probability x 255.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    batch_index: np.ndarray
    drivable: np.ndarray
    lane: np.ndarray


class Engine(Protocol):
    """A loaded model that turns letterboxed images into network outputs."""

    @property
    def model(self) -> ModelInfo:
        """The model file that was loaded."""

    @property
    def info(self) -> EngineInfo:
        """What runs it."""

    def run(self, images: np.ndarray) -> NetworkOutput:
        """Run a batch of shape `(N, H, W, 3)`, uint8 BGR."""

    def warm_up(self) -> float:
        """Run once on an empty image; return the milliseconds it took."""


def checked_output(
    model: ModelInfo, batch_size: int, arrays: Mapping[str, np.ndarray]
) -> NetworkOutput:
    """Return the network's arrays by name, or raise EngineOutputError if they cannot be true."""
    output = NetworkOutput(**arrays)
    width, height = model.input_wh
    count = len(output.scores)
    expected = {
        'boxes': (count, 4),
        'scores': (count,),
        'labels': (count,),
        'batch_index': (count,),
        'drivable': (batch_size, height, width),
        'lane': (batch_size, height, width),
    }
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise EngineOutputError(
                f'network output {name!r} should have shape {shape}, found {arrays[name].shape}'
            )
    for name in ('boxes', 'scores'):
        if not np.isfinite(arrays[name]).all():
            raise EngineOutputError(f'network output {name!r} holds values that are not finite')
    for name, limit in (('labels', len(model.labels)), ('batch_index', batch_size)):
        if count and not 0 <= arrays[name].min() <= arrays[name].max() < limit:
            raise EngineOutputError(f'network output {name!r} leaves the range 0 to {limit - 1}')
    return output
