# SPDX-License-Identifier: Apache-2.0
"""Batches for training: samples decoded once, augmented anew in each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from model_tools.data.augmentation import Augmentation, Example, make_example
from model_tools.data.sample import Sample


@dataclass(frozen=True)
class Batch:
    """Examples stacked for the network."""

    images: torch.Tensor
    """(N, 3, H, W) uint8 BGR, channels last in memory."""
    boxes: list[torch.Tensor]
    labels: list[torch.Tensor]
    crowd: list[torch.Tensor]
    complete: list[bool]
    masks: torch.Tensor
    """(N, 2, H / 2, W / 2) uint8: share of drivable and of lane, x 255."""
    known: torch.Tensor
    """(N, 2, H / 2, W / 2) bool."""


class AugmentedSamples(Dataset):
    """Examples addressed by (epoch, index), so that resuming repeats nothing and skips nothing."""

    def __init__(
        self,
        samples: Sequence[Sample],
        network_wh: tuple[int, int],
        augmentation: Augmentation,
        seed: int,
    ) -> None:
        self.samples = samples
        self.network_wh = network_wh
        self.augmentation = augmentation
        self.seed = seed

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: tuple[int, int]) -> Example:
        epoch, index = key
        rng = np.random.default_rng((self.seed, epoch, index))
        return make_example(self.samples[index], self.network_wh, self.augmentation, rng)


class EpochSampler(Sampler[tuple[int, int]]):
    """All real samples and a random part of the synthetic ones, shuffled by (seed, epoch)."""

    def __init__(self, real: int, synthetic: int, synthetic_share: float, seed: int) -> None:
        self.real = real
        self.synthetic = synthetic
        self.count = min(synthetic, round(real * synthetic_share / (1 - synthetic_share)))
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.real + self.count

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        extra = self.real + rng.permutation(self.synthetic)[: self.count]
        order = rng.permutation(np.concatenate((np.arange(self.real), extra)))
        return iter([(self.epoch, int(i)) for i in order])


def collate(examples: list[Example]) -> Batch:
    """Stack examples into a batch."""
    images = torch.from_numpy(np.stack([e.image for e in examples])).permute(0, 3, 1, 2)
    return Batch(
        images=images,
        boxes=[torch.from_numpy(e.boxes) for e in examples],
        labels=[torch.from_numpy(e.labels) for e in examples],
        crowd=[torch.from_numpy(e.crowd) for e in examples],
        complete=[e.boxes_complete for e in examples],
        masks=torch.from_numpy(np.stack([e.masks for e in examples])),
        known=torch.from_numpy(np.stack([e.known for e in examples])),
    )


def make_loader(
    dataset: AugmentedSamples, sampler: EpochSampler, *, batch_size: int, workers: int
) -> DataLoader:
    """Return a loader whose workers share the decoded samples with the parent."""
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        drop_last=True,
        worker_init_fn=_one_thread,
        prefetch_factor=4 if workers else None,
    )


def _one_thread(_: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
