# SPDX-License-Identifier: Apache-2.0
"""Which samples an epoch holds, in which order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from model_tools.data.cache import SampleCache
from model_tools.data.problems import DatasetError


class EpochOrder:
    """All real samples and a random part of the synthetic ones, shuffled by (seed, epoch).

    Every epoch has the same length.
    """

    def __init__(
        self,
        real: SampleCache,
        synthetic: int,
        *,
        synthetic_share: float,
        repeats: Mapping[str, int],
        rare_repeat: float,
        seed: int,
    ) -> None:
        """Count how often each sample comes.

        Args:
            real: Samples that all come in each epoch.
            synthetic: Number of synthetic samples, counted on from the real ones.
            synthetic_share: Share of synthetic samples in an epoch, below 1, as far as they last.
            repeats: How often the samples of a source come; once if it is not named.
            rare_repeat: Images with a label that is in less than this share of the images with
                boxes come more often, see `repeat_factors`; 0: none do.
            seed: Of the order.

        Raises:
            DatasetError: `repeats` names a source that no sample has.

        """
        if unknown := sorted(set(repeats) - set(real.sources)):
            raise DatasetError(
                f'repeats names {unknown}, expected sources of the images to train on: '
                f'{sorted(set(real.sources))}'
            )
        times = np.array([repeats.get(source, 1) for source in real.sources], float)
        if rare_repeat:
            times *= repeat_factors(real, rare_repeat)
        self._whole = times.astype(int)
        self._part = times - self._whole
        self._synthetic = synthetic
        self._real = self._whole.sum() + int(self._part.sum())
        wanted = round(self._real * synthetic_share / (1 - synthetic_share))
        self._drawn = min(synthetic, wanted)
        self._seed = seed
        self._latest: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return int(self._real + self._drawn)

    def samples(self, epoch: int) -> np.ndarray:
        """Return the samples of an epoch in their order, (len,) int64."""
        if self._latest is None or self._latest[0] != epoch:
            self._latest = (epoch, self._draw(epoch))
        return self._latest[1]

    def _draw(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng((self._seed, epoch, 0))
        times = self._whole.copy()
        if picks := int(self._part.sum()):
            # Systematic sampling: each image by its chance, and always as many of them.
            ends = np.cumsum(self._part)
            points = (rng.random() + np.arange(picks)) * ends[-1] / picks
            times[np.searchsorted(ends, points, side='right')] += 1
        real = np.repeat(np.arange(len(times)), times)
        extra = len(times) + rng.permutation(self._synthetic)[: self._drawn]
        return rng.permutation(np.concatenate((real, extra)))


def repeat_factors(cache: SampleCache, threshold: float) -> np.ndarray:
    """Return how often each image should come, (N,) of 1 or more.

    An image's factor is the greatest of max(1, sqrt(t / f)) over its labels, where f is the share
    of the images with boxes that have the label: LVIS, arXiv 1908.03195, section 4.1.
    """
    present = [np.unique(y[~c]) for y, c in zip(cache.labels, cache.crowd, strict=True)]
    with_boxes = sum(len(labels) > 0 for labels in present)
    found, counts = np.unique(np.concatenate(present), return_counts=True)
    factors = np.sqrt(np.maximum(1.0, threshold * with_boxes / counts))
    factor = dict(zip(found.tolist(), factors.tolist(), strict=True))
    return np.array([max([factor[y] for y in labels.tolist()], default=1.0) for labels in present])
