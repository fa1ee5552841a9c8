# SPDX-License-Identifier: Apache-2.0
"""A row of the table: a predictor, and its network on its own for the stopwatch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from model_tools.evaluation.experts.onnx_network import count_parameters
from model_tools.evaluation.experts.registry import load_expert
from model_tools.evaluation.prediction import Predictor
from model_tools.evaluation.predictors import ModelFilePredictor
from model_tools.export.onnx_graph import ENLARGING
from panoptic_perception.core.letterbox import Letterbox


@dataclass(frozen=True)
class Contender:
    """A predictor under its name in the table."""

    name: str
    parameters_m: float
    predictor: Predictor
    network_alone: Callable[[np.ndarray], Callable[[], object]]
    """Fits an image; what it returns runs the network on it and decodes nothing."""


def expert_contender(name: str, folder: Path, *, threads: int) -> Contender:
    """Return a public network of the registry."""
    expert = load_expert(name, folder, threads=threads)

    def network_alone(image: np.ndarray) -> Callable[[], object]:
        blob, _ = expert.prepare(image)
        return lambda: expert.network.run(blob)

    return Contender(name, expert.describe()['parameters_m'], expert, network_alone)


def model_contender(path: Path, *, threads: int) -> Contender:
    """Return one of our own model files, whose graph ends behind NMS."""
    predictor = ModelFilePredictor(path, threads=threads)
    engine = predictor.engine
    model = engine.model

    def network_alone(image: np.ndarray) -> Callable[[], object]:
        source_wh = image.shape[1], image.shape[0]
        batch = Letterbox(source_wh, model.input_wh, model.pad_value).image(image)[None]
        return lambda: engine.run(batch)

    parameters = count_parameters(onnx.load(path), other_than=[ENLARGING])
    return Contender(path.stem, round(parameters / 1e6, 3), predictor, network_alone)
