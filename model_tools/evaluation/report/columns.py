# SPDX-License-Identifier: Apache-2.0
"""Which figures stand for a protocol, and how a figure is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LABEL_KIND = {'detection': 'boxes', 'drivable': 'drivable', 'lane': 'lane'}
"""What the labels of each task are called in a record."""


@dataclass(frozen=True)
class Column:
    """One figure that every slice of a protocol has, or lacks."""

    subject: str
    measure: str
    task: str
    path: tuple[str, ...]
    """Keys below the task in a slice."""

    @property
    def title(self) -> str:
        return f'{self.subject} {self.measure}'

    def value(self, scores: Mapping[str, Any]) -> float | None:
        """Return the figure of a slice, None where the task was not scored."""
        return figure(scores, self.task, *self.path)


def columns(name: str, protocol: Mapping[str, Any]) -> list[Column]:
    """Return the figures that a protocol is known by, in the words of its authors."""
    found = protocol['all']['detection'] or {'labels': {}}
    labels = list(found['labels'])
    if name == 'dataset':
        return [
            *(Column(k, 'AP50', 'detection', ('labels', k, 'ap50')) for k in labels),
            Column('drivable', 'IoU', 'drivable', ('iou',)),
            Column('lane', 'IoU', 'lane', ('iou',)),
        ]
    accuracy = protocol['settings']['lane_accuracy']
    return [
        *(Column(k, 'max recall', 'detection', ('labels', k, 'max_recall')) for k in labels),
        *(Column(k, 'AP50', 'detection', ('labels', k, 'ap50')) for k in labels),
        Column('drivable', 'mIoU', 'drivable', ('miou',)),
        Column('lane', accuracy.replace('_', ' '), 'lane', (accuracy,)),
        Column('lane', 'IoU', 'lane', ('iou',)),
    ]


def figure(scores: Mapping[str, Any], *path: str) -> Any:
    """Return what lies at the end of a path of keys, None where it ends early."""
    found: Any = scores
    for key in path:
        if found is None:
            return None
        found = found.get(key)
    return found


def number(value: float | None) -> str:
    """Write a figure: three decimals for a share, plain for a count, a dash for none."""
    if value is None:
        return '-'
    return f'{value:.3f}' if isinstance(value, float) else str(value)


def setting(value: Any) -> str:
    """Write the value of a setting."""
    if isinstance(value, list | tuple):
        return ', '.join(map(setting, value)) or 'all'
    if value is None:
        return "the predictor's"
    return f'{value:g}' if isinstance(value, float) else str(value)


def drawn_by_people(scores: Mapping[str, Any], task: str) -> bool:
    """Tell whether every label of a task in a slice was drawn by people."""
    return figure(scores, 'labels', LABEL_KIND[task]) == ['real']
