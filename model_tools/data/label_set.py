# SPDX-License-Identifier: Apache-2.0
"""Which categories of a data set a network is to call what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from model_tools.data.bdd_labels import OBJECT_CATEGORIES


class LabelSetError(ValueError):
    """A label set names a category that BDD100K does not know, or names one twice."""


@dataclass(frozen=True)
class LabelSet:
    """
    Labels in the order of a network's classes, and the categories that belong to each.

    Objects of an `ignored` category are regions to ignore; all other categories are background.
    """

    names: tuple[str, ...]
    categories: Mapping[str, str]
    ignored: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.names:
            raise LabelSetError('a label set needs at least one label, found none')
        given = {**self.categories, **self.ignored}
        if unknown := sorted(set(given) - OBJECT_CATEGORIES):
            raise LabelSetError(
                f'unknown categories {unknown}; known: {sorted(OBJECT_CATEGORIES)}'
            )
        if twice := sorted(set(self.categories) & set(self.ignored)):
            raise LabelSetError(f'categories {twice} are both a label and ignored; choose one')
        if unknown := sorted(set(given.values()) - set(self.names)):
            raise LabelSetError(f'unknown labels {unknown}; the set has {list(self.names)}')

    def index(self, category: str) -> tuple[int, bool] | None:
        """Return the label's index and whether to ignore it; None: not in this set."""
        if category in self.categories:
            return self.names.index(self.categories[category]), False
        if category in self.ignored:
            return self.names.index(self.ignored[category]), True
        return None


DEFAULT = LabelSet(
    names=('vehicle', 'person', 'cycle'),
    categories={
        'car': 'vehicle',
        'truck': 'vehicle',
        'bus': 'vehicle',
        'train': 'vehicle',
        'person': 'person',
        'pedestrian': 'person',
        'rider': 'person',
        'bike': 'cycle',
        'bicycle': 'cycle',
        'motor': 'cycle',
        'motorcycle': 'cycle',
    },
    ignored={'trailer': 'vehicle', 'other vehicle': 'vehicle', 'other person': 'person'},
)
VEHICLE = LabelSet(
    names=('vehicle',),
    categories=dict.fromkeys(('car', 'truck', 'bus', 'train'), 'vehicle'),
)
"""The one class of the published protocols; people and two-wheelers are background."""


def load_label_set(text: str) -> LabelSet:
    """
    Return a named label set, or read one from a YAML file.

    Args:
        text: 'default', 'vehicle', or the path of a YAML file that maps each label to its list of
            categories. Its key `ignored`, if there, maps labels to categories to ignore.

    Raises:
        LabelSetError: The file is of another form, or names something unknown.

    """
    named = {'default': DEFAULT, 'vehicle': VEHICLE}
    if text in named:
        return named[text]
    path = Path(text)
    if not path.is_file():
        raise LabelSetError(
            f"label set '{text}': expected {sorted(named)} or a YAML file, found no such file"
        )
    try:
        values = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LabelSetError(f"'{path}': expected YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise LabelSetError(
            f"'{path}': expected a mapping of labels to lists of categories, "
            f'found {type(values).__name__}'
        )
    try:
        ignored = _by_category(values.pop('ignored', {}))
        return LabelSet(tuple(values), _by_category(values), ignored)
    except LabelSetError as error:
        raise LabelSetError(f"'{path}': {error}") from error


def _by_category(lists: object) -> dict[str, str]:
    """Turn {label: [category, ...]} around."""
    if not isinstance(lists, dict):
        raise LabelSetError(f'ignored is a mapping of labels, found {type(lists).__name__}')
    labels: dict[str, str] = {}
    for label, categories in lists.items():
        if not isinstance(label, str) or not isinstance(categories, list):
            raise LabelSetError(f'label {label!r} needs a list of categories, found {categories}')
        for category in categories:
            if labels.setdefault(str(category), label) != label:
                raise LabelSetError(
                    f'category {category!r} belongs to {labels[category]!r} and to {label!r}'
                )
    return labels
