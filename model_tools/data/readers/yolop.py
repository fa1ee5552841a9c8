# SPDX-License-Identifier: Apache-2.0
"""The YOLOP layout: images, BDD100K JSON, drivable and lane PNGs, each in a folder a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from model_tools.data.files import Files
from model_tools.data.masks import decode_yolop_mask
from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers.box_truth import NOT_LABELLED, box_truth
from model_tools.data.readers.image_tree import ImageTree, holds_images
from model_tools.data.readers.label_files import JsonFolder, read_mask
from model_tools.data.readers.road_data import ReaderSettings
from model_tools.data.sample import Sample

_BOXES = 'det_annotations'
_MASKS = {'drivable': 'da_seg_annotations', 'lane': 'll_seg_annotations'}


class YolopData:
    """A tree `FOLDER/SPLIT/NAME`; a folder that holds nothing for a split is a task unlabelled."""

    layout = 'yolop'

    def __init__(self, files: Files, settings: ReaderSettings) -> None:
        self.root = files.root
        self.settings = settings
        self.damage: Sequence[DatasetError] = files.damage
        self._files = files
        self._images = ImageTree(files, {s: f'images/{s}' for s in files.folders('images')})
        self._tasks: dict[str, frozenset[str]] = {}

    @staticmethod
    def recognises(files: Files) -> bool:
        """Return whether the files are of this layout."""
        folders = set(files.folders(''))
        return (
            'images' in folders
            and bool(folders & {_BOXES, *_MASKS.values()})
            and any(holds_images(files, f'images/{s}') for s in files.folders('images'))
        )

    def splits(self) -> list[str]:
        return self._images.splits()

    def names(self, split: str) -> list[str]:
        return self._images.names(split)

    def label_sources(self, split: str) -> dict[str, str]:
        tasks = self._labelled(split)
        return {
            'boxes': 'JSON files' if 'boxes' in tasks else 'none',
            **{task: 'mask files' if task in tasks else 'none' for task in _MASKS},
        }

    def read(self, split: str, name: str, problems: Problems) -> Sample:
        image = self._images.read(split, name)
        wh = (image.shape[1], image.shape[0])
        boxes = NOT_LABELLED
        attributes: Mapping[str, str] = {}
        if 'boxes' in self._labelled(split):
            labels = JsonFolder(self._files, f'{_BOXES}/{split}').read(name)
            attributes = labels.attributes
            boxes = box_truth(labels, self.settings.labels, wh, problems)
        masks = {
            task: self._mask(f'{folder}/{split}', name, wh)
            for task, folder in _MASKS.items()
            if task in self._labelled(split) and attributes.get(f'{task}_label') != 'none'
        }
        return Sample(
            name=name,
            image=image,
            attributes=attributes,
            boxes=boxes.boxes,
            labels=boxes.labels,
            crowd=boxes.crowd,
            boxes_complete=boxes.complete,
            drivable=masks.get('drivable'),
            drivable_direct=None,
            lane=masks.get('lane'),
        )

    def _mask(self, folder: str, name: str, wh: tuple[int, int]) -> np.ndarray:
        png, where = read_mask(self._files, folder, name)
        return decode_yolop_mask(png, wh, where)

    def _labelled(self, split: str) -> frozenset[str]:
        """Return the tasks that have labels in a split."""
        if split not in self._tasks:
            found = {
                task for task, f in _MASKS.items() if self._files.paths(f'{f}/{split}', ('.png',))
            }
            if self._files.paths(f'{_BOXES}/{split}', ('.json',)):
                found.add('boxes')
            self._tasks[split] = frozenset(found)
        return self._tasks[split]
