# SPDX-License-Identifier: Apache-2.0
"""A data set of which only some images of one split are seen."""

from __future__ import annotations

from collections.abc import Sequence

from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers import RoadData
from model_tools.data.sample import Sample


class Subset:
    """Is `RoadData`, too; nothing of it is read before it is asked for."""

    damage: Sequence[DatasetError] = ()

    def __init__(self, data: RoadData, split: str, names: Sequence[str]) -> None:
        self.root, self.layout, self.settings = data.root, data.layout, data.settings
        self._data, self._split = data, split
        self._names = list(names)

    def splits(self) -> list[str]:
        return [self._split]

    def names(self, split: str) -> list[str]:
        return self._names if split == self._split else []

    def label_sources(self, split: str) -> dict[str, str]:
        return self._data.label_sources(split)

    def read(self, split: str, name: str, problems: Problems) -> Sample:
        return self._data.read(split, name, problems)
