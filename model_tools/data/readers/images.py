# SPDX-License-Identifier: Apache-2.0
"""A folder of images without labels."""

from __future__ import annotations

from collections.abc import Sequence

from model_tools.data.files import Files
from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers.box_truth import NOT_LABELLED
from model_tools.data.readers.image_tree import ImageTree, holds_images
from model_tools.data.readers.road_data import ReaderSettings
from model_tools.data.sample import Sample

SPLIT = 'all'


class ImageFolder:
    """All images of a folder and its sub-folders, as one split."""

    layout = 'images'

    def __init__(self, files: Files, settings: ReaderSettings) -> None:
        self.root = files.root
        self.settings = settings
        self.damage: Sequence[DatasetError] = files.damage
        self._images = ImageTree(files, {SPLIT: ''})

    @staticmethod
    def recognises(files: Files) -> bool:
        """Return whether the files are of this layout."""
        return holds_images(files, '')

    def splits(self) -> list[str]:
        return self._images.splits()

    def names(self, split: str) -> list[str]:
        return self._images.names(split)

    def label_sources(self, split: str) -> dict[str, str]:
        return dict.fromkeys(('boxes', 'drivable', 'lane'), 'none')

    def read(self, split: str, name: str, problems: Problems) -> Sample:
        return Sample(
            name=name,
            image=self._images.read(split, name),
            attributes={},
            boxes=NOT_LABELLED.boxes,
            labels=NOT_LABELLED.labels,
            crowd=NOT_LABELLED.crowd,
            boxes_complete=False,
            drivable=None,
            drivable_direct=None,
            lane=None,
        )
