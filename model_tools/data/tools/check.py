# SPDX-License-Identifier: Apache-2.0
"""Find what is wrong with a data set: broken files, duplicates, leaks between its splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from model_tools.data.readers import RoadData
from model_tools.data.sample import Sample
from model_tools.data.tools.scan import Progress, quiet, scan
from model_tools.data.tools.similarity import HASH_BITS, difference_hash, near_pairs

MAX_DISTANCE = 24
"""
Bits of the hash that may differ in the same picture.

Of 300 road images, copies at JPEG quality 60, at half size, brighter or with another gamma stayed
within 25 bits (99 in 100 within 15); different scenes were 56 or more apart.
"""
_SHOWN = 5  # of each kind of finding, in the terminal; the report has more


@dataclass(frozen=True)
class Pair:
    """Two images and the bits in which their hashes differ."""

    distance: int
    names: tuple[str, str]


@dataclass(frozen=True)
class Likeness:
    """How many pairs of images look alike, and which."""

    pairs: int
    images: int
    """How many images have such a partner; between splits: of the second split."""
    closest: Pair | None
    """The closest pair, alike or not."""
    named: tuple[Pair, ...]


@dataclass(frozen=True)
class SplitFindings:
    """What was found in one split."""

    images: int
    broken: tuple[str, ...]
    dropped: dict[str, int]
    """Objects dropped or repaired, by kind."""
    dropped_sentences: tuple[str, ...]
    near_duplicates: Likeness


@dataclass(frozen=True)
class PairFindings:
    """What two splits share and should not."""

    splits: tuple[str, str]
    leaks: Likeness
    groups: tuple[str, ...]
    """Drives, cities or sequences with images in both, as `source / group`."""
    names: tuple[str, ...]
    """File names in both: often a leak, by itself no fault."""


@dataclass(frozen=True)
class Findings:
    """Everything found in a data set."""

    max_distance: int
    damage: tuple[str, ...]
    """What is broken about the data set as a whole, such as a tar cut short."""
    splits: dict[str, SplitFindings]
    between: tuple[PairFindings, ...]

    @property
    def passed(self) -> bool:
        """Return whether there is no broken file, no leak and no group in two splits."""
        return not (
            self.damage
            or any(split.broken for split in self.splits.values())
            or any(pair.leaks.pairs or pair.groups for pair in self.between)
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON data."""
        return {
            'schema': 1,
            'passed': self.passed,
            'hash': {'kind': '16x16 difference hash', 'bits': HASH_BITS},
            **asdict(self),
        }


@dataclass(frozen=True)
class _Split:
    """The readable images of a split."""

    names: list[str]
    hashes: np.ndarray
    groups: set[str]


def check_data(
    data: RoadData,
    splits: Sequence[str] | None = None,
    *,
    max_distance: int = MAX_DISTANCE,
    progress: Progress = quiet,
) -> Findings:
    """Read every image and label of some splits (default: all) and compare the images."""
    if not 0 <= max_distance < HASH_BITS:
        raise ValueError(
            f'the distance is 0 to {HASH_BITS - 1} of the {HASH_BITS} bits, found {max_distance}'
        )
    splits = list(dict.fromkeys(splits or data.splits()))
    read = {split: _read(data, split, max_distance, progress) for split in splits}
    return Findings(
        max_distance=max_distance,
        damage=tuple(str(error) for error in data.damage),
        splits={split: findings for split, (_, findings) in read.items()},
        between=tuple(
            _compare((a, b), read[a][0], read[b][0], max_distance)
            for a, b in combinations(splits, 2)
        ),
    )


def sentences(findings: Findings) -> Iterator[str]:
    """Yield what was found, a sentence a finding."""
    yield from _list('broken', findings.damage)
    near = f'within {findings.max_distance} of {HASH_BITS} bits'
    for split, found in findings.splits.items():
        dropped = ', '.join(f'{n} {kind}' for kind, n in sorted(found.dropped.items()))
        yield (
            f'{split}: {found.images} images, {len(found.broken)} broken, '
            f'objects dropped or repaired: {dropped or "none"}'
        )
        yield from _list(f'{split}: broken', found.broken)
        yield from _list(f'{split}:', found.dropped_sentences)
        alike = found.near_duplicates
        yield f'{split}: images with a near duplicate ({near}): {alike.images}'
        yield from _list(f'{split}: near duplicates', alike.named, total=alike.pairs)
    for pair in findings.between:
        where = ' and '.join(pair.splits)
        count = pair.leaks.pairs
        yield f'{where}: pairs that look like one picture ({near}): {count}{_margin(pair)}'
        yield from _list(f'{where}: LEAK', pair.leaks.named, total=count)
        yield from _list(f'{where}: GROUP IN BOTH', pair.groups)
        yield from _list(f'{where}: same name', pair.names)


def _read(
    data: RoadData, split: str, max_distance: int, progress: Progress
) -> tuple[_Split, SplitFindings]:
    names, hashes, groups = [], [], set()
    broken: list[str] = []
    notes: list[tuple[str, str]] = []
    for image in scan(data, split, _fingerprint, progress=progress):
        notes += image.notes
        if image.value is None:
            broken.append(str(image.error))
            continue
        names.append(image.name)
        hashes.append(image.value[0])
        groups.add(image.value[1])
    known = {f'{source} / {group}' for source, group in groups if group != 'unknown'}
    readable = _Split(names, np.array(hashes, bool).reshape(-1, HASH_BITS), known)
    return readable, SplitFindings(
        images=len(names) + len(broken),
        broken=tuple(broken),
        dropped=dict(Counter(kind for kind, _ in notes)),
        dropped_sentences=tuple(sentence for _, sentence in notes),
        near_duplicates=_likeness(readable, None, max_distance),
    )


def _fingerprint(sample: Sample) -> tuple[np.ndarray, tuple[str, str]]:
    return difference_hash(sample.image), (
        sample.source,
        sample.attributes.get('group', 'unknown'),
    )


def _compare(splits: tuple[str, str], a: _Split, b: _Split, max_distance: int) -> PairFindings:
    return PairFindings(
        splits=splits,
        leaks=_likeness(a, b, max_distance),
        groups=tuple(sorted(a.groups & b.groups)),
        names=tuple(sorted(set(a.names) & set(b.names))),
    )


def _likeness(a: _Split, b: _Split | None, max_distance: int) -> Likeness:
    found = near_pairs(a.hashes, b.hashes if b else None, max_distance=max_distance)
    partners = (b or a).names

    def pair(i: int, j: int, distance: int) -> Pair:
        return Pair(distance, (a.names[i], partners[j]))

    return Likeness(
        pairs=found.count,
        images=found.images,
        closest=pair(*found.closest) if found.closest else None,
        named=tuple(pair(*indices) for indices in found.pairs),
    )


def _margin(pair: PairFindings) -> str:
    closest = pair.leaks.closest
    if closest is None or pair.leaks.pairs:
        return ''
    return '; the closest are {} apart, {} and {}'.format(closest.distance, *closest.names)


def _list(
    head: str, findings: Sequence[str] | Sequence[Pair], *, total: int | None = None
) -> Iterator[str]:
    """Yield the first few findings and how many more there are."""
    for finding in findings[:_SHOWN]:
        if isinstance(finding, Pair):
            finding = f'{finding.names[0]} and {finding.names[1]}, {finding.distance} bits'
        yield f'  {head} {finding}'
    more = (len(findings) if total is None else total) - len(findings[:_SHOWN])
    if more > 0:
        yield f'  {head} ... and {more} more'
