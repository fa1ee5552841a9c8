# SPDX-License-Identifier: Apache-2.0
"""Draw labels over road images."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from model_tools.data.sample import IGNORE, Sample
from panoptic_perception.core.overlay import SHEET_GAP, contact_sheet

Colour = tuple[int, int, int]

_ROAD: Colour = (90, 200, 60)  # all colours are BGR
_LANE: Colour = (255, 80, 255)
_IGNORED: Colour = (128, 128, 128)
_LABELS: tuple[Colour, ...] = (
    (0, 165, 255), (255, 200, 60), (60, 235, 255), (120, 120, 255), (200, 255, 160),
)  # fmt: skip
_DASH_PX = 5
_FONT, _FONT_SCALE, _TEXT = cv2.FONT_HERSHEY_SIMPLEX, 0.4, (235, 235, 235)
_SWATCH_PX = 14


def draw_labels(sample: Sample, width: int) -> np.ndarray:
    """
    Return the image, scaled to a width in pixels, with its labels drawn over it.

    Road is tinted, lanes are solid; what is ignored of either is grey, lanes on top. Boxes have
    the colour of their label, regions to ignore are dashed.
    """
    canvas = sample.image.copy()
    if sample.drivable is not None:
        _tint(canvas, sample.drivable == IGNORE, _IGNORED, 0.5)
        _tint(canvas, sample.drivable == 255, _ROAD, 0.35)
    if sample.lane is not None:
        _tint(canvas, sample.lane == IGNORE, _IGNORED, 0.5)
        _tint(canvas, sample.lane == 255, _LANE, 0.9)
    scale = width / canvas.shape[1]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = cv2.resize(
        canvas, (width, max(1, round(canvas.shape[0] * scale))), interpolation=method
    )
    corners = np.rint(sample.boxes * scale).astype(int).tolist()
    for box, label, crowd in zip(corners, sample.labels, sample.crowd, strict=True):
        draw = _dashed_rectangle if crowd else _rectangle
        draw(canvas, box, _LABELS[label % len(_LABELS)])
    return canvas


def sheet_of(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Arrange tiles of one size on a contact sheet that keeps their size."""
    cell = tiles[0].shape[1] + SHEET_GAP
    return contact_sheet(tiles, columns=columns, width=columns * cell + SHEET_GAP)


def draw_legend(labels: Sequence[str], width: int) -> np.ndarray:
    """Return a strip of the given width that says which colour means what."""
    strip = np.full((_SWATCH_PX + 10, width, 3), 24, np.uint8)
    entries = [('drivable', _ROAD), ('lane', _LANE), ('ignored', _IGNORED)]
    entries += [(label, _LABELS[i % len(_LABELS)]) for i, label in enumerate(labels)]
    left = 8
    for name, colour in entries:
        cv2.rectangle(strip, (left, 5), (left + _SWATCH_PX, 5 + _SWATCH_PX), colour, cv2.FILLED)
        left = write_text(strip, name, (left + _SWATCH_PX + 6, 5 + _SWATCH_PX - 3)) + 18
    _dashed_rectangle(strip, [left, 5, left + 2 * _SWATCH_PX, 5 + _SWATCH_PX], _TEXT)
    write_text(strip, 'box of a crowd: ignored', (left + 2 * _SWATCH_PX + 6, _SWATCH_PX + 2))
    return strip


def write_text(canvas: np.ndarray, text: str, origin: tuple[int, int]) -> int:
    """Write from `origin` (x, baseline), cut in the middle to fit; return where it ends."""
    # OpenCV draws ASCII alone, and ends the process at a file name that is no text.
    text = text.encode('ascii', 'replace').decode()
    room = canvas.shape[1] - origin[0]
    kept = len(text)
    shown = text
    while kept > 1 and _text_width(shown) > room:
        kept -= 1
        shown = f'{text[: kept // 2]}...{text[len(text) - kept + kept // 2 :]}'
    cv2.putText(canvas, shown, origin, _FONT, _FONT_SCALE, _TEXT, 1, cv2.LINE_AA)
    return origin[0] + _text_width(shown)


def _text_width(text: str) -> int:
    return cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)[0][0]


def _tint(canvas: np.ndarray, mask: np.ndarray, colour: Colour, opacity: float) -> None:
    canvas[mask] = canvas[mask] * (1 - opacity) + np.array(colour) * opacity


def _rectangle(canvas: np.ndarray, box: Sequence[int], colour: Colour) -> None:
    cv2.rectangle(canvas, box[:2], box[2:], colour, 1)


def _dashed_rectangle(canvas: np.ndarray, box: Sequence[int], colour: Colour) -> None:
    x1, y1, x2, y2 = box
    for x in range(x1, x2, 2 * _DASH_PX):
        end = min(x + _DASH_PX, x2)
        for y in (y1, y2):
            cv2.line(canvas, (x, y), (end, y), colour, 1)
    for y in range(y1, y2, 2 * _DASH_PX):
        end = min(y + _DASH_PX, y2)
        for x in (x1, x2):
            cv2.line(canvas, (x, y), (x, end), colour, 1)
