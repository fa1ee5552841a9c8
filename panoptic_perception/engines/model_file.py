# SPDX-License-Identifier: Apache-2.0
"""Read a model file and check it against the contract (schema 1)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from panoptic_perception.core.results import Thresholds
from panoptic_perception.engines.graph_checks import (
    ModelFileError,
    check_operators,
    check_tensors,
)

__all__ = [
    'ModelFileError',
    'ModelInfo',
    'Thresholds',
    'find_model',
    'read_model',
    'shipped_models',
]

SCHEMA = 1
MAX_BYTES = 512 * 1024 * 1024
MAX_SIDE = 8192
FILE_PRECISIONS = ('fp32', 'fp16', 'int8')
_SHIPPED = Path(__file__).parents[1] / 'models'
_DEFAULT = _SHIPPED / 'panoptic.onnx'


@dataclass(frozen=True)
class ModelInfo:
    """What a model file says of itself; `batch_size` is None where any number of images runs."""

    path: Path
    sha256: str
    schema: int
    labels: tuple[str, ...]
    input_wh: tuple[int, int]
    batch_size: int | None
    pad_value: int
    thresholds: Thresholds
    precision: str
    provenance: dict[str, Any]
    metrics: dict[str, Any]


def shipped_models() -> list[Path]:
    """Return the paths of the models that come with the package, the default first."""
    return sorted(_SHIPPED.glob('*.onnx'), key=lambda path: (path != _DEFAULT, path))


def find_model(model: Path | str | None = None) -> Path:
    """
    Return the path of a model file, whether it is there or not.

    Args:
        model: A path, or the name of a model that comes with the package, unless a file here is
            called so. None or empty: the default of the package.

    """
    if not model:
        return _DEFAULT
    path = Path(model).expanduser()
    shipped = _SHIPPED / path.name
    is_name = str(path) == path.name
    return shipped if is_name and shipped in shipped_models() and not path.exists() else path


def read_model(path: Path | str) -> ModelInfo:
    """Return the description of a model file, or raise ModelFileError with what is wrong in it."""
    path = Path(path)
    try:
        content = _read_file(path)
        model = _parse(content)
        check_operators(model)
        info = _describe(path, hashlib.sha256(content).hexdigest(), model)
        check_tensors(model.graph, info.input_wh)
    except ModelFileError as error:
        raise ModelFileError(f'model file {path} {error}') from error.__cause__
    return info


def _read_file(path: Path) -> bytes:
    if not path.exists():
        names = ', '.join(path.name for path in shipped_models())
        raise ModelFileError(f'does not exist; expected the path of an .onnx file, or of {names}')
    if not path.is_file():
        raise ModelFileError('is not a regular file; expected the path of an .onnx file')
    size = path.stat().st_size
    if not 0 < size <= MAX_BYTES:
        raise ModelFileError(f'has {size} bytes; expected 1 to {MAX_BYTES}')
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(f'cannot be read: {error.strerror}') from error


def _parse(content: bytes) -> onnx.ModelProto:
    try:
        return onnx.load_model_from_string(content)
    except DecodeError as error:
        raise ModelFileError(
            f'is not an ONNX file or is cut short ({len(content)} bytes, beginning with '
            f'{content[:4].hex(" ")}); copy or export it again'
        ) from error


def _describe(path: Path, sha256: str, model: onnx.ModelProto) -> ModelInfo:
    raw = {str(entry.key): entry.value for entry in model.metadata_props}
    schema = _metadata(raw, 'panoptic.schema', int)
    if schema != SCHEMA:
        raise ModelFileError(f'has schema {schema}; this version reads schema {SCHEMA}')
    labels = _metadata(raw, 'panoptic.labels', list)
    if not labels or not all(isinstance(label, str) and label for label in labels):
        raise ModelFileError(f'has panoptic.labels {labels}; expected a list of names')
    if len(set(labels)) < len(labels):
        raise ModelFileError(f'has panoptic.labels {labels}; expected every name once')
    image = _metadata(raw, 'panoptic.input', dict)
    if image.get('colour') != 'bgr':
        raise ModelFileError(f"has input colour {image.get('colour')!r}; expected 'bgr'")
    thresholds = _metadata(raw, 'panoptic.thresholds', dict)
    precision = _metadata(raw, 'panoptic.precision', str)
    if precision not in FILE_PRECISIONS:
        raise ModelFileError(f'has precision {precision!r}; expected one of {FILE_PRECISIONS}')
    return ModelInfo(
        path=path,
        sha256=sha256,
        schema=schema,
        labels=tuple(labels),
        input_wh=(_integer(image, 'width', 1, MAX_SIDE), _integer(image, 'height', 1, MAX_SIDE)),
        batch_size=_batch_size(model.graph),
        pad_value=_integer(image, 'pad_value', 0, 255),
        thresholds=Thresholds(
            score=_fraction(thresholds, 'score'),
            drivable=_fraction(thresholds, 'drivable'),
            lane=_fraction(thresholds, 'lane'),
        ),
        precision=precision,
        provenance=_metadata(raw, 'panoptic.provenance', dict),
        metrics=_metadata(raw, 'panoptic.metrics', dict),
    )


def _metadata(raw: Mapping[str, str], key: str, kind: type) -> Any:
    """Return a metadata entry, parsed from JSON, of the wanted Python type."""
    if key not in raw:
        found = sorted(raw) or 'none'
        raise ModelFileError(
            f'has no metadata {key!r} (found: {found}); export it with model_tools'
        )
    try:
        value = json.loads(raw[key])
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f'has metadata {key!r} that is not JSON: {raw[key][:60]!r}'
        ) from error
    if type(value) is not kind:  # bool is an int to isinstance
        raise ModelFileError(
            f'has metadata {key!r} of type {type(value).__name__}; expected {kind.__name__}'
        )
    return value


def _integer(values: dict[str, Any], key: str, low: int, high: int) -> int:
    value: Any = values.get(key)
    if type(value) is int and low <= value <= high:
        return value
    raise ModelFileError(
        f'has panoptic.input {key!r} {value!r}; expected a whole number {low} to {high}'
    )


def _fraction(values: Mapping[str, Any], key: str) -> float:
    value: Any = values.get(key)
    if type(value) in (int, float) and 0 <= value <= 1:
        return float(value)
    raise ModelFileError(f'has panoptic.thresholds {key!r} {value!r}; expected a number 0 to 1')


def _batch_size(graph: onnx.GraphProto) -> int | None:
    """Return the fixed number of images a run, or None if it is free."""
    shape = [value.type.tensor_type.shape for value in graph.input if value.name == 'image']
    return shape[0].dim[0].dim_value or None if shape and shape[0].dim else None
