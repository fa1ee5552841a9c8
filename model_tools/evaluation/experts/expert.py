# SPDX-License-Identifier: Apache-2.0
"""A public network as a predictor: fit the image, run, decode."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from model_tools.evaluation.experts.fitting import Fitter, InputFormat
from model_tools.evaluation.experts.network import Network, Shape, check_outputs, input_wh
from model_tools.evaluation.prediction import Prediction
from panoptic_perception.core.letterbox import Letterbox


class Decoder(Protocol):
    """Turns the arrays that a network returned into a Prediction."""

    labels: tuple[str, ...]
    tasks: frozenset[str]
    output_shapes: tuple[Shape, ...]
    """Of the arrays that it reads."""
    fixed: Mapping[str, Any]
    """Settings of an evaluation protocol that it decides."""

    def __call__(self, outputs: Sequence[np.ndarray], letterbox: Letterbox) -> Prediction:
        """Decode the answer to the image that was fitted with `letterbox`."""


@dataclass(frozen=True)
class Design:
    """What a public network is: its file, what goes in, what comes out, and whose it is."""

    file: str
    input: InputFormat
    decoder: Callable[[tuple[int, int]], Decoder]
    """Makes the decoder for a network input of some width and height."""
    origin: str
    """Source and licence in one line."""


class Expert:
    """A public network that answers images; for use by one thread."""

    def __init__(self, name: str, design: Design, network: Network) -> None:
        self._name = name
        self._design = design
        network_wh = input_wh(network)
        self._decoder = design.decoder(network_wh)
        check_outputs(network, self._decoder.output_shapes)
        self.network = network
        self.labels = self._decoder.labels
        self.tasks = self._decoder.tasks
        self.prepare = Fitter(design.input, network_wh)

    def __call__(self, image: np.ndarray, name: str) -> Prediction:
        """Answer an (H, W, 3) uint8 BGR image."""
        blob, letterbox = self.prepare(image)
        return self._decoder(self.network.run(blob), letterbox)

    def describe(self) -> dict[str, Any]:
        """Return what identifies the expert in a report."""
        return {
            'kind': 'expert',
            'name': self._name,
            'file': self.network.path.name,
            'sha256': self.network.sha256,
            'parameters_m': round(self.network.parameters / 1e6, 3),
            'labels': list(self.labels),
            'tasks': sorted(self.tasks),
            'input': f'{self.prepare.geometry}, {self._design.input.values}',
            'origin': self._design.origin,
            'engine': asdict(self.network.info),
            'fixed': {'geometry': self.prepare.geometry, **self._decoder.fixed},
        }
