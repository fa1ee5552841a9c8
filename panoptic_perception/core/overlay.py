# SPDX-License-Identifier: Apache-2.0
"""Draw results onto camera images."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from panoptic_perception.core.results import PanopticResult

Colour = tuple[int, int, int]

_DRIVABLE: Colour = (90, 200, 60)  # all colours are BGR
_LANE: Colour = (255, 80, 255)
_BOXES: tuple[Colour, ...] = ((0, 165, 255), (60, 235, 255), (255, 200, 60), (120, 120, 255))
_DARK: Colour = (24, 24, 24)
_LIGHT: Colour = (255, 255, 255)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
SHEET_GAP = 4
"""Pixels between the cells of a contact sheet, and around them."""


def draw_overlay(
    image: np.ndarray, result: PanopticResult, *, caption: str | None = None
) -> np.ndarray:
    """Return a copy of a BGR image with road, lanes, boxes and an optional caption drawn on it."""
    if image.shape != (result.source_wh[1], result.source_wh[0], 3):
        raise ValueError(
            f'result of a {result.source_wh} image cannot be drawn on shape {image.shape}'
        )
    canvas = image.copy()
    drivable = result.drivable_mask()
    _tint(canvas, drivable, _DRIVABLE, 0.35)
    outlines, _ = cv2.findContours(drivable, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(canvas, outlines, -1, _DRIVABLE, _line_width(canvas), cv2.LINE_AA)
    _tint(canvas, result.lane_mask(), _LANE, 0.9)
    _draw_boxes(canvas, result)
    if caption:
        _draw_caption(canvas, caption)
    return canvas


def contact_sheet(images: Sequence[np.ndarray], *, columns: int, width: int) -> np.ndarray:
    """
    Arrange BGR images in rows on one sheet of the given width in pixels.

    Every cell has the shape of the first image; others are scaled to fit and centred.
    """
    if not images or columns < 1:
        raise ValueError(f'a sheet needs images and columns, got {len(images)} and {columns}')
    cell_w = (width - SHEET_GAP * (columns + 1)) // columns
    cell_h = round(cell_w * images[0].shape[0] / images[0].shape[1])
    if min(cell_w, cell_h) < 1:
        raise ValueError(f'a sheet {width} pixels wide has no room for {columns} columns')
    rows = -(-len(images) // columns)
    height = rows * (cell_h + SHEET_GAP) + SHEET_GAP
    sheet = np.full((height, width, 3), _DARK, np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        left = SHEET_GAP + column * (cell_w + SHEET_GAP)
        top = SHEET_GAP + row * (cell_h + SHEET_GAP)
        _paste(sheet[top : top + cell_h, left : left + cell_w], image)
    return sheet


def _paste(cell: np.ndarray, image: np.ndarray) -> None:
    """Scale an image into the middle of a cell."""
    scale = min(cell.shape[0] / image.shape[0], cell.shape[1] / image.shape[1])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    top, left = (cell.shape[0] - height) // 2, (cell.shape[1] - width) // 2
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    cell[top : top + height, left : left + width] = cv2.resize(
        image, (width, height), interpolation=method
    )


def _tint(canvas: np.ndarray, mask: np.ndarray, colour: Colour, opacity: float) -> None:
    """Blend a colour into the pixels of a mask."""
    before = np.arange(256)[:, None]
    after = np.rint(before * (1 - opacity) + np.array(colour) * opacity).astype(np.uint8)
    tinted = cv2.LUT(canvas, after[None])
    cv2.copyTo(tinted, mask, canvas)


def _draw_boxes(canvas: np.ndarray, result: PanopticResult) -> None:
    detections = result.detections
    width = _line_width(canvas)
    # The best boxes come first and must end on top.
    for index in reversed(range(len(detections))):
        label = int(detections.labels[index])
        colour = _BOXES[label % len(_BOXES)]
        x1, y1, x2, y2 = np.rint(detections.boxes[index]).astype(int).tolist()
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, width, cv2.LINE_AA)
        tag = f'{result.labels[label]} {detections.scores[index]:.2f}'
        _draw_tag(canvas, (x1, y1), tag, colour)


def _draw_tag(canvas: np.ndarray, corner: tuple[int, int], text: str, colour: Colour) -> None:
    """Draw a filled name tag on top of a box corner, moved inside the image where it must be."""
    scale = _font_scale(canvas) * 0.8
    (text_w, text_h), base = cv2.getTextSize(text, _FONT, scale, 1)
    height, width = text_h + base + 2, text_w + 6
    left = min(max(corner[0], 0), max(canvas.shape[1] - width, 0))
    top = max(corner[1] - height, 0)
    cv2.rectangle(canvas, (left, top), (left + width, top + height), colour, cv2.FILLED)
    origin = left + 3, top + text_h + 2
    cv2.putText(canvas, text, origin, _FONT, scale, _DARK, 1, cv2.LINE_AA)


def _draw_caption(canvas: np.ndarray, caption: str) -> None:
    """Write a line of text on a dark strip along the lower border."""
    scale = _font_scale(canvas)
    (_, text_h), base = cv2.getTextSize(caption, _FONT, scale, 1)
    strip = canvas[-(text_h + base + 10) :]
    strip[:] = strip // 4
    origin = 10, strip.shape[0] - base - 4
    cv2.putText(strip, caption, origin, _FONT, scale, _LIGHT, 1, cv2.LINE_AA)


def _line_width(image: np.ndarray) -> int:
    return max(1, round(min(image.shape[:2]) / 360))


def _font_scale(image: np.ndarray) -> float:
    return max(0.4, min(image.shape[:2]) / 1200)
