# SPDX-License-Identifier: Apache-2.0
"""Find images that show the same scene, by a perceptual hash."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

HASH_BITS = 256
_SIDE = 16
_BLOCK = 2**24  # distances held at a time: 64 MiB


@dataclass
class NearPairs:
    """Pairs of images at most a distance apart."""

    count: int = 0
    images: int = 0
    """How many images of the second collection have a partner; of both, where they are one."""
    closest: tuple[int, int, int] | None = None
    """(first, second, bits) of the closest pair, near or not; None where there is no pair."""
    pairs: list[tuple[int, int, int]] = field(default_factory=list)
    """(first, second, bits), closest first, no more than were asked for."""


def difference_hash(image: np.ndarray) -> np.ndarray:
    """
    Return (256,) bool: where 16 rows of 17 averaged grey levels rise from left to right.

    The dHash of Krawetz (2013): it sees through another size, compression or brightness, not
    through a crop of 5 % or a mirror. The package `imagehash` would bring Pillow, SciPy and
    PyWavelets along for these three lines.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (_SIDE + 1, _SIDE), interpolation=cv2.INTER_AREA)
    return (small[:, 1:] > small[:, :-1]).ravel()


def near_pairs(
    first: np.ndarray, second: np.ndarray | None = None, *, max_distance: int, keep: int = 1000
) -> NearPairs:
    """
    Find the pairs of hashes at most `max_distance` bits apart, within one collection or across.

    Args:
        first: (N, 256) bool.
        second: (M, 256) bool; None: pairs within `first`, each once.
        max_distance: Hamming distance in bits.
        keep: How many pairs to name; all are counted.
    """
    within = second is None
    left = _signs(first)
    right = left if second is None else _signs(second)
    found = NearPairs()
    partnered = np.zeros(len(right), bool)
    best = -np.inf
    step = min(1024, max(1, _BLOCK // max(len(right), 1)))
    for start in range(0, len(left), step):
        rows = left[start : start + step]
        offset = start if within else 0
        # Bits that agree less bits that differ, as a matrix product: exact in float32, and NumPy
        # 1.26 counts no bits.
        agreement = rows @ right[offset:].T
        if within:
            agreement[:, : len(rows)][np.tri(len(rows), dtype=bool)] = -np.inf
        if agreement.size and agreement.max() > best:
            best = agreement.max()
            i, j = np.unravel_index(agreement.argmax(), agreement.shape)
            found.closest = int(i) + start, int(j) + offset, _distance(best)
        near = agreement >= HASH_BITS - 2 * max_distance
        if not near.any():
            continue
        found.count += int(np.count_nonzero(near))
        partnered[offset:] |= near.any(axis=0)
        if within:
            partnered[start : start + len(rows)] |= near.any(axis=1)
        if room := keep - len(found.pairs):
            found.pairs += [
                (int(i) + start, int(j) + offset, _distance(agreement[i, j]))
                for i, j in np.argwhere(near)[:room]
            ]
    found.images = int(np.count_nonzero(partnered))
    found.pairs.sort(key=lambda pair: pair[2])
    return found


def _signs(bits: np.ndarray) -> np.ndarray:
    """Return +1 for set and -1 for clear bits, float32."""
    return bits * np.float32(2) - np.float32(1)


def _distance(agreement: float) -> int:
    return int(HASH_BITS - agreement) // 2
