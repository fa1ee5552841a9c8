# SPDX-License-Identifier: Apache-2.0
"""Batches for training: which samples, in which order, changed how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from model_tools.data.augmentation.copy_paste import find_clippings
from model_tools.data.augmentation.geometry import fit_matrix
from model_tools.data.augmentation.objects import Objects, move_objects
from model_tools.data.augmentation.painter import paint
from model_tools.data.augmentation.recipe import Recipe, draw_recipe, plain_recipe
from model_tools.data.augmentation.settings import Augmentation
from model_tools.data.cache import SampleCache
from model_tools.data.epochs import EpochOrder
from model_tools.data.problems import DatasetError

CPU_GROUP = 1
"""Pictures painted at a time on a CPU: its caches hold one, 16 together take twice as long."""


@dataclass(frozen=True)
class Batch:
    """N pictures as the network sees them; mask targets are at half the network size."""

    images: Tensor
    """(N, 3, H, W) uint8 BGR, channels last in memory."""
    boxes: list[Tensor]
    """N times (K, 4) float32, network pixels, clipped to the picture."""
    labels: list[Tensor]
    """N times (K,) int64."""
    crowd: list[Tensor]
    """N times (K,) bool: a region to ignore."""
    complete: list[bool]
    """Whether every object of a picture has a box or lies in a region to ignore."""
    masks: Tensor
    """(N, 2, H / 2, W / 2) uint8: share of drivable and of lane among known pixels, x 255."""
    known: Tensor
    """(N, 2, H / 2, W / 2) bool: whether at least half of the pixel's label is known."""
    names: list[str] = field(default_factory=list)
    """Of the samples; those of one picture are joined by ' + '."""

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch(
            images=self.images.to(device),
            boxes=[b.to(device) for b in self.boxes],
            labels=[x.to(device) for x in self.labels],
            crowd=[c.to(device) for c in self.crowd],
            complete=self.complete,
            masks=self.masks.to(device),
            known=self.known.to(device),
            names=self.names,
        )


class BatchSource:
    """Batches as a pure function of the step, so that a resumed run goes on bit-equal.

    A batch is dealt out to `world` processes: two with 8 pictures each see the same 16 pictures,
    changed alike, as one with 16.
    """

    augmentation: Augmentation
    """May be replaced between two steps, as to close the mosaic for the last epochs."""

    def __init__(
        self,
        real: SampleCache,
        synthetic: SampleCache | None,
        *,
        input_wh: tuple[int, int],
        augmentation: Augmentation,
        batch_size: int,
        synthetic_share: float = 0.0,
        repeats: Mapping[str, int] | None = None,
        rare_repeat: float = 0.0,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        device: torch.device,
    ) -> None:
        """Prepare the order.

        Args:
            real: Samples that all come in each epoch.
            synthetic: Samples of which a new random part comes in each epoch; of the same canvas.
            input_wh: Width and height of the network's input, multiples of 32.
            augmentation: Strength of the random changes.
            batch_size: Pictures of one process.
            synthetic_share: Share of the synthetic samples in an epoch, below 1.
            repeats: How often the samples of a source come in an epoch; once if not named.
            rare_repeat: See `EpochOrder`.
            seed: Of the order and of the changes.
            rank: Number of this process among `world`.
            world: Number of processes.
            device: Where the batches are made.

        Raises:
            DatasetError: An epoch holds less than one batch.

        """
        self.augmentation = augmentation
        self._caches = [real] if synthetic is None else [real, synthetic]
        self._order = EpochOrder(
            real,
            0 if synthetic is None else len(synthetic),
            synthetic_share=synthetic_share,
            repeats=repeats or {},
            rare_repeat=rare_repeat,
            seed=seed,
        )
        if len(self._order) < batch_size * world:
            raise DatasetError(
                f'{len(self._order)} images to train on are fewer than one batch of '
                f'{batch_size * world}; add images or lower batch_size',
                kind='too_few',
            )
        self._clippings = find_clippings(real.boxes, real.labels, real.crowd, real.canvas_wh)
        self._wh = input_wh
        self._fit = fit_matrix(real.canvas_wh, input_wh)
        self._batch_size = batch_size
        self._seed = seed
        self._rank = rank
        self._world = world
        self._device = device

    def __len__(self) -> int:
        """Return the steps of an epoch: whole batches over all processes."""
        return len(self._order) // (self._batch_size * self._world)

    def batch(self, step: int) -> Batch:
        """Return this process's batch of a step, which counts from the beginning of the run."""
        epoch, number = divmod(step, len(self))
        first = (number * self._world + self._rank) * self._batch_size
        recipes = [self._recipe(epoch, p) for p in range(first, first + self._batch_size)]
        return _make(self._caches, recipes, self._wh, self._device)

    def _recipe(self, epoch: int, position: int) -> Recipe:
        # A trailing 0 would not change the state of the generator: the epoch's order has it.
        rng = np.random.default_rng((self._seed, epoch, 1 + position))
        order = self._order.samples(epoch)
        return draw_recipe(
            order,
            position,
            self.augmentation,
            rng,
            fit=self._fit,
            network_wh=self._wh,
            clippings=self._clippings,
        )


def plain_batch(cache: SampleCache, indices: Sequence[int], input_wh: tuple[int, int]) -> Batch:
    """Return samples with nothing changed at random, on the cache's device."""
    fit = fit_matrix(cache.canvas_wh, input_wh)
    recipes = [plain_recipe(i, fit, input_wh) for i in indices]
    return _make([cache], recipes, input_wh, cache.images[0].device)


def _make(
    caches: Sequence[SampleCache],
    recipes: Sequence[Recipe],
    network_wh: tuple[int, int],
    device: torch.device,
) -> Batch:
    """Make pictures of samples that are numbered through all caches."""
    rows = [[_find(caches, tile.sample) for tile in recipe.tiles] for recipe in recipes]
    group = CPU_GROUP if device.type == 'cpu' else len(recipes)
    parts = []
    for i in range(0, len(recipes), group):
        some = list(chain.from_iterable(rows[i : i + group]))
        images = torch.stack([cache.images[k].permute(1, 2, 0).to(device) for cache, k in some])
        packed = torch.stack([cache.masks[k].to(device) for cache, k in some])
        parts.append(paint(images, packed, recipes[i : i + group], network_wh))
    pictures, masks, known = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    every = list(chain.from_iterable(rows))
    objects, counts, complete = move_objects(
        [Objects(c.boxes[k], c.labels[k], c.crowd[k]) for c, k in every],
        [c.complete[k] for c, k in every],
        recipes,
    )
    # One copy to the device for all pictures, not one for each.
    boxes, labels, crowd = (
        list(torch.from_numpy(values).to(device).split(counts)) for values in objects
    )
    names = [' + '.join(cache.names[k] for cache, k in row) for row in rows]
    return Batch(pictures, boxes, labels, crowd, complete, masks, known, names)


def _find(caches: Sequence[SampleCache], sample: int) -> tuple[SampleCache, int]:
    """Return the cache that holds a sample, and its index there."""
    for cache in caches[:-1]:
        if sample < len(cache):
            return cache, sample
        sample -= len(cache)
    return caches[-1], sample
