# SPDX-License-Identifier: Apache-2.0
"""What the figures of a record do not say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model_tools.evaluation.report.columns import LABEL_KIND, figure

EMULATED = {'yolop': 'hustvl/YOLOP', 'rmt_ppad': 'JiayuanWang-JW/RMT-PPAD'}
FEW_IMAGES = 50


def caveats(record: Mapping[str, Any]) -> list[str]:
    """Return the limits of a record's figures, one sentence or two each."""
    return [*_protocols(record['protocols']), *_labels(record), *_images(record)]


def _protocols(protocols: Mapping[str, Any]) -> Iterator[str]:
    if len(protocols) > 1:
        yield 'Figures of different protocols do not compare, even where they share a name.'
    for name in protocols:
        if name in EMULATED:
            yield (
                f'{name} emulates the published evaluation of {EMULATED[name]} and was not checked'
                ' against public weights. Its recall is the end of the recall curve, where the'
                ' score goes to 0: no recall in use.'
            )
    for name, protocol in protocols.items():
        if protocol['overrides']:
            yield (
                f'{name} was run with other settings than its own'
                f' ({", ".join(protocol["overrides"])}): compare only with figures so made.'
            )
    yield 'Only figures measured on the val split of BDD100K are BDD100K figures.'


def _labels(record: Mapping[str, Any]) -> Iterator[str]:
    first = next(iter(record['protocols'].values()))['all']
    lacking = [task for task in LABEL_KIND if first[task] is None]
    if lacking:
        yield f'No {_list(lacking, "or")} score: the labels or the predictor lack that.'
    makers: dict[str, list[str]] = {}
    for task, kind in LABEL_KIND.items():
        if task not in lacking:
            drawn = figure(first, 'labels', kind) or ['unstated']
            others = ', '.join(how for how in drawn if how != 'real')
            makers.setdefault(others, []).append(kind)
    for others, kinds in makers.items():
        if others == 'unstated':
            yield f'The data do not say who made the labels of {_list(kinds, "and")}.'
        elif others:
            yield (
                f'Not all labels of {_list(kinds, "and")} were drawn by people ({others}): there'
                ' the figures say how well other models or filters are copied, their faults'
                ' included.'
            )
    if 'drawn' in record['data']['label_sources'].get('lane', ''):
        yield (
            'Lane masks were drawn from polylines by our pairing rule; the masks of published'
            ' evaluations were drawn by a rule that was never published.'
        )


def _images(record: Mapping[str, Any]) -> Iterator[str]:
    problems = record['data']['problems']
    if problems.get('skipped'):
        yield (
            f'{problems["skipped"]} of {problems["images"]} images could not be used and are in no'
            ' figure.'
        )
    slices = next(iter(record['protocols'].values()))['slices']
    small = [
        f'{value} ({scores["images"]})'
        for group in slices.values()
        for value, scores in group.items()
        if scores['images'] < FEW_IMAGES
    ]
    if small:
        yield (
            f'Slices of fewer than {FEW_IMAGES} images are anecdotes, not measurements:'
            f' {", ".join(small)}.'
        )
    yield 'A slice differs from another in more than its name: its causes are not told apart.'


def _list(words: Sequence[str], joint: str) -> str:
    *most, last = words
    return f'{", ".join(most)} {joint} {last}' if most else last
