# SPDX-License-Identifier: Apache-2.0
"""Readers of road data sets: one interface over every layout, unpacked or in tar shards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from model_tools.data.files import open_files
from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers.bdd100k import Bdd100kData
from model_tools.data.readers.images import ImageFolder
from model_tools.data.readers.road_data import ReaderSettings, RoadData
from model_tools.data.readers.yolop import YolopData
from model_tools.data.sample import Sample

__all__ = ['ReaderSettings', 'RoadData', 'open_data', 'read_samples']

_DEFAULTS = ReaderSettings()


def open_data(root: Path, settings: ReaderSettings = _DEFAULTS) -> RoadData:
    """Open a folder, a folder of tar shards or one tar, of whatever layout it turns out to be."""
    files = open_files(root)
    for reader in (Bdd100kData, YolopData, ImageFolder):
        if reader.recognises(files):
            return reader(files, settings)
    if files.damage:
        raise files.damage[0]
    raise DatasetError(
        f"'{root}': expected BDD100K (images/100k), the YOLOP layout (images/SPLIT beside "
        'det_annotations) or a folder of .jpg and .png images, found none of them; '
        'is it the right folder, and unpacked?'
    )


def read_samples(
    data: RoadData, split: str, problems: Problems, *, names: Iterable[str] | None = None
) -> Iterator[Sample]:
    """Yield the samples of a split, or of some names of it; skip broken ones up to the limit."""
    for error in data.damage:
        problems.skip(error)
    for name in data.names(split) if names is None else names:
        try:
            sample = data.read(split, name, problems)
        except DatasetError as error:
            problems.skip(error)
        else:
            yield sample
