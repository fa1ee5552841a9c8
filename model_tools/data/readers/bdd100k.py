# SPDX-License-Identifier: Apache-2.0
"""The tree that BDD100K distributes: 100k images, labels of 2018 or 2020, masks or polygons."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model_tools.data.bdd_labels import ImageLabels
from model_tools.data.drivable_drawing import draw_drivable
from model_tools.data.files import Files
from model_tools.data.lane_drawing import draw_lanes
from model_tools.data.masks import decode_drivable_bytes, decode_lane_bytes
from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers.bdd_sources import Sources, find_images, find_sources
from model_tools.data.readers.box_truth import NOT_LABELLED, box_truth
from model_tools.data.readers.image_tree import ImageTree, holds_images
from model_tools.data.readers.label_files import LabelFiles, read_mask
from model_tools.data.readers.road_data import ReaderSettings
from model_tools.data.sample import Sample


class Bdd100kData:
    """BDD100K as downloaded, with or without its top folder or a folder for each archive."""

    layout = 'bdd100k'

    def __init__(self, files: Files, settings: ReaderSettings) -> None:
        self.root = files.root
        self.settings = settings
        self.damage: Sequence[DatasetError] = files.damage
        self._files = files
        images = find_images(files)
        splits = files.folders(images) if images else []
        self._images = ImageTree(files, {split: f'{images}/{split}' for split in splits})
        self._sources: dict[str, Sources] = {}

    @staticmethod
    def recognises(files: Files) -> bool:
        """Return whether the files are of this layout."""
        images = find_images(files)
        return images is not None and any(
            holds_images(files, f'{images}/{split}') for split in files.folders(images)
        )

    def splits(self) -> list[str]:
        return self._images.splits()

    def names(self, split: str) -> list[str]:
        return self._images.names(split)

    def label_sources(self, split: str) -> dict[str, str]:
        sources = self._of(split)
        texts = {task: source.text if source else 'none' for task, source in vars(sources).items()}
        if texts['lane'].startswith('drawn'):
            texts['lane'] += f', {self.settings.lane_width} px'
        if sources.drivable:
            texts['drivable'] += f', {self.settings.drivable}'
        return texts

    def read(self, split: str, name: str, problems: Problems) -> Sample:
        image = self._images.read(split, name)
        wh = (image.shape[1], image.shape[0])
        sources = self._of(split)
        records = _Records(name)
        boxes = NOT_LABELLED
        if sources.boxes:
            labels = records.of(sources.boxes.labels)
            boxes = box_truth(labels, self.settings.labels, wh, problems)
        merged, direct, lane = None, None, None
        if sources.drivable and records.attributes.get('drivable_label') != 'none':
            merged, direct = self._drivable(sources.drivable.labels, records, wh, problems)
        if sources.lane and records.attributes.get('lane_label') != 'none':
            lane = self._lane(sources.lane.labels, records, wh, problems)
        return Sample(
            name=name,
            image=image,
            attributes=records.attributes,
            boxes=boxes.boxes,
            labels=boxes.labels,
            crowd=boxes.crowd,
            boxes_complete=boxes.complete,
            drivable=merged if self.settings.drivable == 'merged' else direct,
            drivable_direct=direct,
            lane=lane,
        )

    def place_image(self, split: str, name: str, folder: Path) -> None:
        """Give an image file a second place, as `Files.place` does, in a folder of one split."""
        path = self._images.path(split, name)
        target = folder / f'{name}{Path(path).suffix}'
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._files.place(path, target)

    def _drivable(
        self, labels: LabelFiles | str, records: _Records, wh: tuple[int, int], problems: Problems
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the merged and the direct mask."""
        if isinstance(labels, str):
            png, where = read_mask(self._files, labels, records.name)
            return decode_drivable_bytes(png, wh, where)
        return draw_drivable(records.of(labels), wh, problems)

    def _lane(
        self, labels: LabelFiles | str, records: _Records, wh: tuple[int, int], problems: Problems
    ) -> np.ndarray:
        if isinstance(labels, str):
            png, where = read_mask(self._files, labels, records.name)
            return decode_lane_bytes(png, wh, where)
        width = self.settings.lane_width
        return draw_lanes(records.of(labels), wh, width=width, problems=problems)

    def _of(self, split: str) -> Sources:
        if split not in self._sources:
            self._sources[split] = find_sources(self._files, split, self.names(split))
        return self._sources[split]


class _Records:
    """The JSON records of one image, each parsed once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.attributes: dict[str, str] = {}
        self._read: dict[int, ImageLabels] = {}

    def of(self, labels: LabelFiles) -> ImageLabels:
        """Return the image's record; its attributes join those of earlier ones."""
        if id(labels) not in self._read:
            self._read[id(labels)] = record = labels.read(self.name)
            self.attributes = {**record.attributes, **self.attributes}
        return self._read[id(labels)]
