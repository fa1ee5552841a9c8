# SPDX-License-Identifier: Apache-2.0
"""What every reader offers, and what can be set about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from model_tools.data.label_set import DEFAULT, LabelSet
from model_tools.data.problems import DatasetError, Problems
from model_tools.data.sample import Sample


@dataclass(frozen=True)
class ReaderSettings:
    """How labels are read; the last two are for the distributed BDD100K tree, drawn on reading."""

    labels: LabelSet = DEFAULT
    drivable: Literal['merged', 'direct'] = 'merged'
    """Whether alternative lanes are drivable."""
    lane_width: Literal[2, 8] = 2
    """Pixels of a lane line that is drawn, at 1280x720."""


class RoadData(Protocol):
    """A data set of some layout; picklable, and safe to read from many processes."""

    root: Path
    layout: str
    """'yolop', 'bdd100k' or 'images'."""
    settings: ReaderSettings
    damage: Sequence[DatasetError]
    """What opening found to be broken; the rest is read."""

    def splits(self) -> list[str]:
        """Return the splits that have images, sorted."""

    def names(self, split: str) -> list[str]:
        """Return the names of a split's images, sorted; DatasetError if it has none."""

    def label_sources(self, split: str) -> dict[str, str]:
        """Return how the labels came about, for 'boxes', 'drivable' and 'lane'."""

    def read(self, split: str, name: str, problems: Problems) -> Sample:
        """Read one image with its labels; DatasetError if it cannot be used."""
