# SPDX-License-Identifier: Apache-2.0
"""One line of the benchmark: a model file and the way to run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """A model file with its short name, and what is asked of `load_engine` for it."""

    name: str
    model: Path
    engine: str
    device: str
    precision: str
    threads: int

    def __str__(self) -> str:
        wishes = [wish for wish in (self.engine, self.device, self.precision) if wish != 'auto']
        return ' '.join((self.name, *wishes, f'threads={self.threads}'))


def all_cases(
    models: Sequence[Path],
    *,
    engines: Sequence[str],
    devices: Sequence[str],
    precisions: Sequence[str],
    threads: Sequence[int],
) -> list[Case]:
    """Return every combination once, the last choice changing fastest."""
    names = model_names(models)
    cases = (
        Case(names[model], model, engine, device, precision, count)
        for model, engine, device, precision, count in product(
            models, engines, devices, precisions, threads
        )
    )
    return list(dict.fromkeys(cases))


def model_names(models: Sequence[Path]) -> dict[Path, str]:
    """Return the file's stem for each model, or its path where two stems are the same."""
    stems = [model.stem for model in dict.fromkeys(models)]
    return {model: model.stem if stems.count(model.stem) == 1 else str(model) for model in models}
