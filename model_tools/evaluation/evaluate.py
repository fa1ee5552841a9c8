# SPDX-License-Identifier: Apache-2.0
"""Run a predictor over a labelled split once and score it by any number of protocols."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from tqdm import tqdm

from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers import RoadData, read_samples
from model_tools.evaluation.counts import ProtocolCounts
from model_tools.evaluation.prediction import TASKS, Predictor, Task
from model_tools.evaluation.protocol import Protocol

SCHEMA = 1
SLICES = ('source', 'timeofday', 'weather', 'scene')
TRUST: Mapping[Task, tuple[str, str]] = {
    'detection': ('boxes', 'box_label'),
    'drivable': ('drivable', 'drivable_label'),
    'lane': ('lane', 'lane_label'),
}
"""What the labels of each task are called, and the attribute that says how they came about."""


@dataclass(frozen=True)
class Evaluation:
    """Everything that was counted; `record` turns it into the report's JSON."""

    model: Mapping[str, Any]
    data: Mapping[str, Any]
    names: tuple[str, ...]
    attributes: tuple[Mapping[str, str], ...]
    counts: tuple[ProtocolCounts, ...]
    slices: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """Return all settings and scores as plain values."""
        return {
            'schema': SCHEMA,
            'tool_version': version('panoptic_perception'),
            'model': dict(self.model),
            'data': dict(self.data),
            'protocols': {c.protocol.name: self._protocol(c) for c in self.counts},
            'curves': self.counts[0].curves(decided=self._decided()),
        }

    def _decided(self) -> set[str]:
        """Return the tasks whose masks came without probabilities."""
        return {task for task in TASKS if f'{task}_threshold' in self.model['fixed']}

    def _protocol(self, counts: ProtocolCounts) -> dict[str, Any]:
        everything = np.ones(len(self.names), bool)
        return {
            'settings': counts.protocol.settings(),
            'overrides': {k: vars(o) for k, o in counts.protocol.overrides.items()},
            'all': self._slice(counts, everything),
            'slices': {
                key: {
                    value: self._slice(counts, self._having(key, value))
                    for value in self._values(key)
                }
                for key in self.slices
                if key not in SLICES or self._values(key) != ['unknown']
            },
        }

    def _slice(self, counts: ProtocolCounts, images: np.ndarray) -> dict[str, Any]:
        trust = {
            kind: sorted(
                {a.get(key, 'unstated') for a in self._of(images & counts.labelled(task))}
            )
            for task, (kind, key) in TRUST.items()
        }
        return {**counts.scores(images), 'labels': trust}

    def _of(self, images: np.ndarray) -> list[Mapping[str, str]]:
        return [self.attributes[i] for i in np.flatnonzero(images)]

    def _values(self, key: str) -> list[str]:
        return sorted({a.get(key, 'unknown') for a in self.attributes})

    def _having(self, key: str, value: str) -> np.ndarray:
        return np.array([a.get(key, 'unknown') == value for a in self.attributes], bool)


def evaluate(
    predictor: Predictor,
    data: RoadData,
    split: str,
    protocols: Sequence[Protocol],
    *,
    max_skipped: float = 0.01,
    slices: Sequence[str] = (),
) -> Evaluation:
    """
    Score a predictor on a split.

    Samples that cannot be used are skipped and counted while they are at most the share
    `max_skipped` of the split. `slices` are further attributes to slice by.

    Raises:
        DatasetError: No sample can be scored, none is labelled, or too many had to be skipped.
        ProtocolError: A protocol scores labels that the label set or the predictor lacks.

    """
    facts = predictor.describe()
    labels = data.settings.labels
    counts = tuple(
        ProtocolCounts(
            _settled(protocol, facts),
            truth_labels=labels.names,
            found_labels=predictor.labels,
            tasks=predictor.tasks,
        )
        for protocol in protocols
    )
    names = data.names(split)
    if set(data.label_sources(split).values()) == {'none'}:
        raise _unlabelled(data, split, predictor)
    problems = Problems(len(names), limit=max_skipped)
    scored: list[str] = []
    attributes: list[Mapping[str, str]] = []
    bar = tqdm(names, desc=f'score {split}', unit='image', disable=None)
    for sample in read_samples(data, split, problems, names=bar):
        try:
            prediction = predictor(sample.image, sample.name)
        except DatasetError as error:
            problems.skip(error)
            continue
        for count in counts:
            count.add(sample, prediction)
        scored.append(sample.name)
        attributes.append(sample.attributes)
    if not scored:
        raise DatasetError(
            f"'{data.root}': expected images to score in split {split!r}, found none that can be "
            'used: give another --split',
            kind='empty_split',
        )
    if not any(count.labelled(task).any() for count in counts for task in TASKS):
        raise _unlabelled(data, split, predictor)
    return Evaluation(
        model={**facts, 'tasks': sorted(predictor.tasks)},
        data={
            'name': data.root.resolve().name,
            'layout': data.layout,
            'split': split,
            'images': len(scored),
            'label_set': {
                'names': list(labels.names),
                'categories': dict(labels.categories),
                'ignored': dict(labels.ignored),
            },
            'label_sources': data.label_sources(split),
            'problems': problems.summary(),
        },
        names=tuple(scored),
        attributes=tuple(attributes),
        counts=counts,
        slices=(*SLICES, *(s for s in slices if s not in SLICES)),
    )


def merge_records(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Join the records of one model whose protocols needed several runs."""
    first, *others = records
    protocols = {k: v for record in (first, *others) for k, v in record['protocols'].items()}
    return {**first, 'protocols': protocols}


def _unlabelled(data: RoadData, split: str, predictor: Predictor) -> DatasetError:
    return DatasetError(
        f"'{data.root}': expected labels of {' or '.join(sorted(predictor.tasks))} in split "
        f'{split!r}, found none to score by: give labelled data',
        kind='no_labels',
    )


def _settled(protocol: Protocol, facts: Mapping[str, Any]) -> Protocol:
    """Return the protocol with the predictor's own thresholds and with what it cannot change."""
    own = {
        f'{task}_threshold': facts.get('thresholds', {}).get(task, 0.5)
        for task in ('drivable', 'lane')
        if getattr(protocol, f'{task}_threshold') is None
    }
    protocol = dataclasses.replace(protocol, **own)
    for setting, fixed in facts['fixed'].items():
        # What the predictor left out is lost; more can be left out.
        stricter = {'score_floor': max, 'max_boxes': min}.get(setting)
        value = stricter(fixed, getattr(protocol, setting)) if stricter else fixed
        protocol = protocol.override(setting, value, f'fixed in the {facts["kind"]}')
    return protocol
