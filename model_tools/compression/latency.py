# SPDX-License-Identifier: Apache-2.0
"""Predict how long a network takes in an engine from a table of measured layers.

A search for widths asks for the time of hundreds of networks, which have few distinct layers among
them. Each is measured once.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Literal

import onnxruntime
from torch import nn

from model_tools.compression.layer_timing import measure
from model_tools.compression.layers import Layer, layers_of
from panoptic_perception.core.files import write_json
from panoptic_perception.core.machine import describe_machine
from panoptic_perception.engines.quiet_openvino import import_openvino

Engine = Literal['onnxruntime', 'openvino']

SCHEMA = 1
THREADS = 1
ANCHORS = 12
"""Layers that are measured again with new ones, to compare."""


class LatencyError(ValueError):
    """A table of latencies is damaged or of other circumstances, or its engine is missing."""


class LatencyTable:
    """Milliseconds of layers on this machine's CPU; measures those that it lacks."""

    name = 'latency'

    def __init__(
        self, path: Path | None, *, input_wh: tuple[int, int], engine: Engine = 'onnxruntime'
    ) -> None:
        """Read the table in `path` if there is one; None: keep it in memory.

        Raises:
            LatencyError: The file is no such table, or one of another CPU or engine; or the
                engine is not installed.

        """
        self._path, self._input_wh, self._engine = path, input_wh, engine
        self._circumstances = {
            'engine': engine,
            'version': engine_version(engine),
            'cpu': describe_machine()['cpu'],
            'threads': THREADS,
        }
        self._ms: dict[str, float] = self._read(path) if path and path.is_file() else {}

    def __call__(self, net: nn.Module) -> float:
        """Return the sum over the layers of a network, ms; about what its graph takes alone."""
        return sum(self._ms[layer.key] for layer in self.measure(net))

    def measure(self, *nets: nn.Module) -> list[Layer]:
        """Measure together what the table lacks of some networks; return all their layers.

        Networks of other activations share no layers that a later measurement could compare by.
        """
        layers = [layer for net in nets for layer in layers_of(net, self._input_wh)]
        missing = {layer.key: layer for layer in layers if layer.key not in self._ms}
        if missing:
            with self._alone():
                self._measure({k: v for k, v in missing.items() if k not in self._ms}, layers)
        return layers

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time measure, and take over what others have measured meanwhile."""
        if self._path is None:
            yield
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_name(f'.{self._path.name}.lock').open('a') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if self._path.is_file():
                self._ms |= self._read(self._path)
            yield

    def _measure(self, missing: Mapping[str, Layer], layers: Sequence[Layer]) -> None:
        """Measure layers in the unit of the table: the machine may be slower now than it was."""
        if not missing:
            return
        known = {layer.key: layer for layer in layers if layer.key in self._ms}
        costly = sorted(known, key=lambda key: -self._ms[key])[:ANCHORS]
        together = {**missing, **{key: known[key] for key in costly}}
        found = measure(together, engine=self._engine, threads=THREADS)
        pace = median([self._ms[key] / found[key] for key in costly] or [1.0])
        self._ms.update({key: found[key] * pace for key in missing})
        self._write()

    def _read(self, path: Path) -> dict[str, float]:
        try:
            table = json.loads(path.read_text())
            found = {key: table[key] for key in ('schema', *self._circumstances)}
            ms = {str(key): float(value) for key, value in table['ms'].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LatencyError(
                f"'{path}': expected a table of latencies, found it damaged ({error}); remove it"
            ) from error
        wanted = {'schema': SCHEMA, **self._circumstances}
        if changed := [key for key in wanted if found[key] != wanted[key]]:
            differing = '; '.join(f'{k} was {found[k]!r}, is {wanted[k]!r}' for k in changed)
            raise LatencyError(
                f"'{path}': measured in other circumstances: {differing}; give another file "
                'of latencies, or bring these back'
            )
        return ms

    def _write(self) -> None:
        if self._path is None:
            return
        table = {'schema': SCHEMA, **self._circumstances, 'ms': dict(sorted(self._ms.items()))}
        write_json(self._path, table)


def engine_version(engine: Engine) -> str:
    """Return the version that is installed; LatencyError if none is."""
    try:
        return (import_openvino() if engine == 'openvino' else onnxruntime).__version__
    except ImportError as error:
        raise LatencyError(
            'latency is to be measured in openvino, which is not installed: pip install openvino'
        ) from error
