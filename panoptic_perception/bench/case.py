# SPDX-License-Identifier: Apache-2.0
"""One line of the benchmark: a model file and the way to run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from panoptic_perception.engines import precisions_of, read_model


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
    precisions: Sequence[str] | None,
    threads: Sequence[int],
) -> list[Case]:
    """
    Return every combination once, the last choice changing fastest.

    `precisions` None takes all in which an engine runs the file.
    """
    names = model_names(models)
    held = {model: read_model(model).precision for model in models} if precisions is None else {}
    cases = (
        Case(names[model], model, engine, device, precision, count)
        for model, engine, device in product(models, engines, devices)
        for precision, count in product(
            precisions or precisions_of(held[model], engine=engine, device=device), threads
        )
    )
    return list(dict.fromkeys(cases))


def model_names(models: Sequence[Path]) -> dict[Path, str]:
    """Return the file's stem for each model, or its path where two stems are the same."""
    stems = [model.stem for model in dict.fromkeys(models)]
    return {model: model.stem if stems.count(model.stem) == 1 else str(model) for model in models}
