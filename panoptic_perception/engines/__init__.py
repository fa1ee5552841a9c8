# SPDX-License-Identifier: Apache-2.0
"""Load model files and run them."""

from __future__ import annotations

from panoptic_perception.engines.engine import (
    Engine,
    EngineError,
    EngineOutputError,
    NetworkOutput,
)
from panoptic_perception.engines.load import load_engine
from panoptic_perception.engines.model_file import (
    ModelFileError,
    ModelInfo,
    find_model,
    read_model,
    shipped_models,
)
from panoptic_perception.engines.policy import (
    DEVICES,
    ENGINES,
    PRECISIONS,
    PROVIDER_POLICIES,
    precisions_of,
)
from panoptic_perception.engines.recovering import RecoveringEngine

__all__ = [
    'DEVICES',
    'ENGINES',
    'PRECISIONS',
    'PROVIDER_POLICIES',
    'Engine',
    'EngineError',
    'EngineOutputError',
    'ModelFileError',
    'ModelInfo',
    'NetworkOutput',
    'RecoveringEngine',
    'find_model',
    'load_engine',
    'precisions_of',
    'read_model',
    'shipped_models',
]
