# SPDX-License-Identifier: Apache-2.0
"""
Named evaluation protocols: every choice that changes a score, filled in by one name.

`yolop` and `rmt_ppad` emulate the published evaluations of hustvl/YOLOP and
JiayuanWang-JW/RMT-PPAD; `dataset` is ours: counts of the whole split, COCO's average precision,
masks at source size. Scores of different protocols do not compare.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_type_hints

from model_tools.evaluation.grids import Grid
from model_tools.evaluation.matching import MatchRule
from model_tools.evaluation.precision_recall import ApRule

Geometry = Literal['letterbox 640x384', 'stretch 640x640']
LaneAccuracy = Literal['recall', 'balanced_accuracy']


class ProtocolError(ValueError):
    """A protocol or a setting that is not known, or a value out of its range."""


@dataclass(frozen=True)
class Override:
    """A setting that differs from its protocol's."""

    protocol: Any
    used: Any
    why: str


@dataclass(frozen=True)
class Protocol:
    """All settings of an evaluation."""

    name: str
    labels: tuple[str, ...]
    """Labels that are scored, of those that the predictor gives; empty: all of the label set."""
    geometry: Geometry | str
    """How the image is fitted into the network's input."""
    score_floor: float
    """Boxes with a lower score are left out."""
    nms_iou: float
    """Boxes of one class that overlap more are suppressed; 1: no suppression."""
    max_boxes: int
    """Boxes of a label that are counted in an image, the best ones."""
    match: MatchRule
    ap: ApRule
    min_box_height: float
    """Source pixels; lower boxes are ignored, labelled or found."""
    drivable: Literal['merged', 'direct']
    """Which labelled area counts: direct and alternative lanes, or direct ones alone."""
    lane_dilate: int
    """Side in pixels, at 1280x720, of the square that labelled lanes are dilated by; 1: not."""
    drivable_threshold: float | None
    """Lowest probability of the mask; None: the predictor's own, 0.5 if it has none."""
    lane_threshold: float | None
    mask_grid: Grid
    """Where masks are compared."""
    mask_resize: Literal['area_any', 'bilinear']
    """How labelled masks are brought there."""
    average: str
    """'dataset', 'image' or 'batch:K': what one confusion matrix holds."""
    absent: Literal['zero', 'one', 'skip']
    """IoU of a class that is neither labelled nor found in such a matrix."""
    lane_accuracy: LaneAccuracy
    """What the protocol's authors call lane accuracy."""
    overrides: Mapping[str, Override] = field(default_factory=dict)

    def override(self, setting: str, value: Any, why: str) -> Protocol:
        """Return the protocol with another value, and the difference on record."""
        if value == getattr(self, setting):
            return self
        before = self.overrides.get(setting)
        original = before.protocol if before else getattr(self, setting)
        changed: dict[str, Any] = {setting: value}
        overrides = {**self.overrides, setting: Override(original, value, why)}
        if value == original:
            del overrides[setting]
        return dataclasses.replace(self, **changed, overrides=overrides)

    def settings(self) -> dict[str, Any]:
        """Return every setting by name."""
        return {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if f.name not in ('name', 'overrides')
        }


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name='dataset',
            labels=(),
            geometry='letterbox 640x384',
            score_floor=0.001,
            nms_iou=0.6,
            max_boxes=300,
            match='coco',
            ap='coco',
            min_box_height=0.0,
            drivable='merged',
            lane_dilate=1,
            drivable_threshold=None,
            lane_threshold=None,
            mask_grid='native',
            mask_resize='area_any',
            average='dataset',
            absent='skip',
            lane_accuracy='recall',
        ),
        Protocol(
            name='yolop',
            labels=('vehicle',),
            geometry='letterbox 640x384',
            score_floor=0.001,
            nms_iou=0.6,
            max_boxes=300,
            match='best_gt_strict',
            ap='tail001',
            min_box_height=0.0,
            drivable='merged',
            lane_dilate=1,
            drivable_threshold=0.5,
            lane_threshold=0.5,
            mask_grid='content',
            mask_resize='area_any',
            average='batch:48',
            absent='zero',
            lane_accuracy='recall',
        ),
        Protocol(
            name='rmt_ppad',
            labels=('vehicle',),
            geometry='stretch 640x640',
            score_floor=0.0,
            nms_iou=1.0,
            max_boxes=300,
            match='best_gt',
            ap='tail1',
            min_box_height=0.0,
            drivable='merged',
            lane_dilate=7,
            drivable_threshold=0.45,
            lane_threshold=0.90,
            mask_grid='stretch640',
            mask_resize='bilinear',
            average='image',
            absent='one',
            lane_accuracy='balanced_accuracy',
        ),
    )
}


def load_protocols(
    names: Sequence[str], overrides: Mapping[str, str] | None = None
) -> list[Protocol]:
    """Return the named protocols with settings given as text: {'min_box_height': '12'}."""
    if unknown := [name for name in names if name not in PROTOCOLS]:
        raise ProtocolError(f'unknown protocols {unknown}; known: {list(PROTOCOLS)}')
    protocols = [PROTOCOLS[name] for name in names]
    for setting, text in (overrides or {}).items():
        value = _parse(setting, text)
        protocols = [p.override(setting, value, 'asked for') for p in protocols]
    return protocols


def _parse(setting: str, text: str) -> Any:
    hints = get_type_hints(Protocol)
    known = [name for name in PROTOCOLS['dataset'].settings() if name != 'geometry']
    if setting not in known:
        raise ProtocolError(f'unknown setting {setting!r}; known: {known}')
    hint = hints[setting]
    if choices := [c for c in get_args(hint) if isinstance(c, str)]:
        if text not in choices:
            raise ProtocolError(f'setting {setting!r} is one of {choices}, found {text!r}')
        return text
    if setting == 'labels':
        return tuple(dict.fromkeys(word.strip() for word in text.split(',') if word.strip()))
    if setting == 'average':
        if text in ('dataset', 'image') or _is_batch(text):
            return text
        raise ProtocolError(
            f"setting 'average' is dataset, image or batch:K with K above 0, found {text!r}"
        )
    return _number(setting, text, whole=hint is int)


def _is_batch(text: str) -> bool:
    head, _, size = text.partition(':')
    return head == 'batch' and size.isdecimal() and int(size) > 0


def _number(setting: str, text: str, *, whole: bool) -> float | int:
    low, high = {
        'max_boxes': (1, 100_000),
        'lane_dilate': (1, 99),
        'min_box_height': (0, 100_000),
    }.get(setting, (0, 1))
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = float('nan')
    if not low <= value <= high:
        kind = 'a whole number' if whole else 'a number'
        raise ProtocolError(f'setting {setting!r} is {kind} from {low} to {high}, found {text!r}')
    return value
