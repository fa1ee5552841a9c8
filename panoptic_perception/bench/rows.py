# SPDX-License-Identifier: Apache-2.0
"""The rows of the benchmark, each in a process of its own, asked in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import onnx

from panoptic_perception.bench.case import Case
from panoptic_perception.bench.process import ProcessError, SubjectProcess
from panoptic_perception.bench.roof import build_roof_model
from panoptic_perception.bench.subject import Sample, Subject, measure_frame, peak_memory_mb
from panoptic_perception.core.results import EngineInfo

T = TypeVar('T')

# Caches, clocks and the engines' own first choices settle in these; they are not counted.
WARM_UP_ROUNDS = 3


@dataclass(frozen=True)
class Measurement:
    """What was found about a case that could be run."""

    case: Case
    info: EngineInfo
    first_result_s: float
    peak_mb: float | None
    samples: tuple[Sample, ...]


class Row:
    """A case and its process, or in `reason` why it has none or lost it."""

    def __init__(self, case: Case, jpeg: bytes) -> None:
        self.case = case
        self.reason = ''
        self.samples: list[Sample] = []
        self.process: SubjectProcess | None = None
        try:
            self.process = SubjectProcess(case, jpeg)
        except ProcessError as error:
            self.reason = str(error)

    def ask(self, job: Callable[[Subject], T]) -> T | None:
        """Have a job done by the process, if there is one."""
        if self.process is None:
            return None
        try:
            return self.process.ask(job)
        except ProcessError as error:
            self.reason, self.process = str(error), None
            return None

    def measurement(self) -> Measurement | None:
        """Return what was found, None if the process was lost."""
        peak_mb = self.ask(peak_memory_mb)
        if self.process is None:
            return None
        return Measurement(
            case=self.case,
            info=self.process.info,
            first_result_s=self.process.first_result_s,
            peak_mb=peak_mb,
            samples=tuple(self.samples),
        )

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.close()


def roof_cases(rows: Sequence[Row], folder: Path) -> list[Case]:
    """Write the networks that show the roof of each arithmetic in use, for one core."""
    cases: dict[tuple[str, str, str], Case] = {}
    for row in rows:
        if row.process is not None:
            info = row.process.info
            int8 = info.precision.startswith('int8')
            model = folder / f'roof_{"int8" if int8 else "fp32"}.onnx'
            if not model.exists():
                onnx.save(build_roof_model(int8=int8), model)
            case = Case('roof', model, info.engine, row.case.device, info.precision, threads=1)
            cases[info.engine, info.provider, info.precision] = case
    return list(cases.values())


def measure_rounds(rows: Sequence[Row], rounds: int) -> Iterator[int]:
    """
    Ask every row for one frame, `rounds` times; yield after each round.

    In turn, so that whatever else the machine does befalls all rows alike.
    """
    for number in range(WARM_UP_ROUNDS + rounds):
        for row in rows:
            sample = row.ask(measure_frame)
            if sample is not None and number >= WARM_UP_ROUNDS:
                row.samples.append(sample)
        yield number
