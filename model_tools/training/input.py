# SPDX-License-Identifier: Apache-2.0
"""What a run learns from and is looked at with: both data sets decoded, and the hold-out."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch

from model_tools.data.cache import SampleCache, place, require_labels
from model_tools.data.cache_folder import open_cache
from model_tools.data.holdout import hold_out
from model_tools.data.label_set import LabelSet
from model_tools.data.problems import DatasetError
from model_tools.data.readers import ReaderSettings, RoadData, open_data
from model_tools.data.readers.images import SPLIT as IMAGES
from model_tools.data.readers.images import ImageFolder
from model_tools.training.config import TrainingConfig

SPLIT = 'train'


@dataclass(frozen=True)
class TrainingInput:
    """The samples of a run."""

    data: RoadData
    real: SampleCache
    synthetic: SampleCache | None
    holdout: Sequence[str]
    """Names of the images of the train split that are not learned from."""
    unlabelled: SampleCache | None = None
    """Images that only a teacher knows what to say of."""

    @property
    def whole(self) -> SampleCache:
        """Return the samples that come in each epoch."""
        if self.unlabelled is None:
            return self.real
        parts = (self.real, self.unlabelled)
        return SampleCache(
            **{f.name: [x for p in parts for x in getattr(p, f.name)] for f in fields(SampleCache)}
        )


def load_input(
    config: TrainingConfig, labels: LabelSet, cache: Path, *, device: torch.device, quiet: bool
) -> TrainingInput:
    """Open what is decoded, on the device if it fits; say what was skipped unless `quiet`.

    Args:
        config: Settings of the run.
        labels: What the categories of the data are called.
        cache: Folder to decode into, if the settings name none.
        device: Of this process.
        quiet: Leave saying it to another process.

    Raises:
        DatasetError: Nothing can be learned from, too much is broken, or a group to hold out is
            not there.
        CacheError: There is no room for what is decoded.
    """
    settings = ReaderSettings(labels=labels)
    folder = Path(config.cache) if config.cache else cache
    data = open_data(Path(config.data), settings)
    real, holdout = _hold_out(_open(data, config, folder, quiet=quiet), config)
    require_labels(real)
    synthetic = None
    if config.synthetic:
        drives = open_data(Path(config.synthetic), settings)
        synthetic = _open(drives, config, folder, quiet=quiet)
        require_labels(synthetic)
        synthetic = place(synthetic, device)
    real, unlabelled = place(real, device), None
    if config.distillation and config.distillation.unlabelled:
        images = _open_images(Path(config.distillation.unlabelled), settings)
        unlabelled = place(_open(images, config, folder, quiet=quiet, split=IMAGES), device)
    return TrainingInput(data, real, synthetic, holdout, unlabelled)


def _open_images(root: Path, settings: ReaderSettings) -> RoadData:
    data = open_data(root, settings)
    if data.layout != ImageFolder.layout:
        raise DatasetError(
            f"'{root}': expected a folder of images alone as distillation.unlabelled, found the "
            f'layout {data.layout} with labels: give its folder of images'
        )
    return data


def _open(
    data: RoadData, config: TrainingConfig, folder: Path, *, quiet: bool, split: str = SPLIT
) -> SampleCache:
    cache, problems = open_cache(
        data, split, config.canvas_wh, folder, max_skipped=config.max_skipped
    )
    if problems['skipped'] and not quiet:
        print(f"'{data.root}': {json.dumps(problems, indent=2)}", file=sys.stderr)
    return cache


def _hold_out(cache: SampleCache, config: TrainingConfig) -> tuple[SampleCache, list[str]]:
    """Return the samples to learn from, and the names of those held out."""
    learned, held = hold_out(
        cache.groups,
        config.holdout_groups,
        Path(config.data),
        'name others, or none by --set holdout_groups=[]',
    )
    return cache.select(learned), [cache.names[i] for i in held]
