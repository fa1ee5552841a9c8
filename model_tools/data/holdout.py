# SPDX-License-Identifier: Apache-2.0
"""Which images of the train split are kept from learning: groups, by name or shell pattern."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from tqdm import tqdm

from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers import RoadData, read_samples
from model_tools.data.subset import Subset


def hold_out(
    groups: Sequence[str], patterns: Collection[str], root: Path, cure: str
) -> tuple[list[int], list[int]]:
    """
    Return the indices to learn from and those held out, both rising.

    Args:
        groups: That of each image.
        patterns: Names of the groups to hold out; `*`, `?` and `[..]` as in a shell.
        root: Of the data, and
        cure: what can be done where a pattern matches nothing, for the message.

    Raises:
        DatasetError: A pattern matches no group.

    """
    found = {group: any(fnmatchcase(group, p) for p in patterns) for group in set(groups)}
    if missing := sorted(p for p in patterns if not any(fnmatchcase(g, p) for g in found)):
        raise DatasetError(
            f"'{root}': the train split has no group {missing} to hold out: {cure}",
            kind='no_images',
        )
    return (
        [i for i, group in enumerate(groups) if not found[group]],
        [i for i, group in enumerate(groups) if found[group]],
    )


def held_out_part(data: RoadData, patterns: Collection[str], *, max_skipped: float) -> Subset:
    """Return the images of the train split that a run held out; all are read, for their groups.

    Raises:
        DatasetError: They are not there, or too many images cannot be read.

    """
    names = data.names('train')
    bar = tqdm(names, desc='find the hold-out', unit='image', disable=None)
    samples = read_samples(data, 'train', Problems(len(names), limit=max_skipped), names=bar)
    read = [(sample.name, sample.group) for sample in samples]
    _, held = hold_out(
        [group for _, group in read], patterns, data.root, 'give the data of the training'
    )
    return Subset(data, 'train', [read[i][0] for i in held])
