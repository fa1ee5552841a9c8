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
    default_model_path,
    read_model,
)
from panoptic_perception.engines.policy import DEVICES, ENGINES, PRECISIONS, PROVIDER_POLICIES

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
    'default_model_path',
    'load_engine',
    'read_model',
]
