# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a data set: named, counted, and bounded by a limit."""

from __future__ import annotations

from collections import Counter
from typing import Any

EXAMPLES = 5
"""Sentences that are kept of each kind: enough to find the cause, few enough to read."""


class DatasetError(ValueError):
    """A file or folder of a data set is not what its layout says; `kind` is a slug to count by."""

    def __init__(self, sentence: str, *, kind: str = 'layout') -> None:
        super().__init__(sentence)
        self.kind = kind


class Problems:
    """The images that a pass over a data set lost, and the objects that it dropped or repaired."""

    def __init__(self, images: int, *, limit: float = 0.01) -> None:
        """Count for `images` images, of which the share `limit` (0 to 1) may be lost; 1: all."""
        if not 0 <= limit <= 1:
            raise ValueError(f'the share of images to skip is 0 to 1, found {limit:g}')
        self.images = images
        self.limit = limit
        self._skipped: Counter[str] = Counter()
        self._noted: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}
        self._first = ''

    @property
    def skipped(self) -> int:
        """Return how many images were lost."""
        return self._skipped.total()

    def skip(self, error: DatasetError) -> None:
        """Count a lost image; raise DatasetError as soon as more than the limit are lost."""
        self._skipped[error.kind] += 1
        self._first = self._first or str(error)
        self._keep(error.kind, str(error))
        self._check()

    def note(self, kind: str, sentence: str) -> None:
        """Count an object that was dropped or repaired; the image is kept."""
        self._noted[kind] += 1
        self._keep(kind, sentence)

    def merge(self, part: Problems) -> None:
        """Add what was counted for a part of the images; raise like `skip`."""
        self._skipped.update(part._skipped)
        self._noted.update(part._noted)
        self._first = self._first or part._first
        for kind, sentences in part._examples.items():
            for sentence in sentences:
                self._keep(kind, sentence)
        self._check()

    def summary(self) -> dict[str, Any]:
        """Return plain values for a report."""
        return {
            'images': self.images,
            'skipped': self.skipped,
            'skipped_by_kind': dict(self._skipped.most_common()),
            'dropped_objects': dict(self._noted.most_common()),
            'examples': [s for sentences in self._examples.values() for s in sentences],
        }

    def _check(self) -> None:
        if self.limit < 1 and self.skipped > self.limit * self.images:
            raise DatasetError(
                f'{self.skipped} of {self.images} images cannot be used, more than the limit of '
                f'{self.limit:.2%} (--max-skipped); the first: {self._first}',
                kind='too_many',
            )

    def _keep(self, kind: str, sentence: str) -> None:
        kept = self._examples.setdefault(kind, [])
        if len(kept) < EXAMPLES:
            kept.append(sentence)
