# SPDX-License-Identifier: Apache-2.0
"""The images of a data set, by split and name."""

from __future__ import annotations

import numpy as np

from model_tools.data.files import Files
from model_tools.data.masks import decode_image
from model_tools.data.problems import DatasetError

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png')


class ImageTree:
    """Images in one folder a split; listed once, when first asked for."""

    def __init__(self, files: Files, folders: dict[str, str]) -> None:
        """Take the folder of each split."""
        self._files = files
        self._folders = folders
        self._paths: dict[str, dict[str, str]] = {}

    def splits(self) -> list[str]:
        """Return the splits that have images, sorted."""
        return [split for split in sorted(self._folders) if self._images(split)]

    def names(self, split: str) -> list[str]:
        """Return the names of a split's images, sorted; DatasetError if it has none."""
        names = sorted(self._images(split))
        if not names:
            raise DatasetError(
                f"'{self._files.root}': split {split!r} has no images; "
                f'splits with images: {", ".join(self.splits()) or "none"}',
                kind='no_images',
            )
        return names

    def read(self, split: str, name: str) -> np.ndarray:
        """Decode one image to (H, W, 3) BGR."""
        path = self.path(split, name)
        return decode_image(self._files.read(path), self._files.where(path))

    def path(self, split: str, name: str) -> str:
        """Return the path of one image, with its suffix; DatasetError if there is none."""
        path = self._images(split).get(name)
        if path is None:
            raise DatasetError(
                f"'{self._files.root}': split {split!r} has no image {name!r}", kind='no_images'
            )
        return path

    def _images(self, split: str) -> dict[str, str]:
        if split not in self._paths:
            folder = self._folders.get(split)
            self._paths[split] = {} if folder is None else self._list(folder)
        return self._paths[split]

    def _list(self, folder: str) -> dict[str, str]:
        paths: dict[str, str] = {}
        for path in self._files.paths(folder, IMAGE_SUFFIXES):
            name = path.removeprefix(f'{folder}/').rpartition('.')[0]
            if name in paths:
                raise DatasetError(
                    f"'{self._files.where(path)}': another image has this name "
                    f"('{paths[name]}'); labels go by name, rename or remove one",
                    kind='same_name',
                )
            paths[name] = path
        return paths


def holds_images(files: Files, folder: str) -> bool:
    """Return whether there is an image anywhere below a folder."""
    return bool(files.paths(folder, IMAGE_SUFFIXES))
