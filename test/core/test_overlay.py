# SPDX-License-Identifier: Apache-2.0
"""Colours where they belong, nothing where nothing was found."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from panoptic_perception.core.overlay import contact_sheet, draw_overlay
from panoptic_perception.core.results import (
    Detections,
    EngineInfo,
    PanopticResult,
    StageTimes,
    Thresholds,
)

GREY = 80


def result(*, boxes=(), labels=(), source_wh=(320, 180), drivable=None, lane=None):
    nothing = np.zeros((90, 160), np.uint8)
    return PanopticResult(
        source_wh=source_wh,
        labels=('vehicle', 'person', 'cycle'),
        detections=Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.linspace(0.9, 0.5, len(boxes), dtype=np.float32),
            np.array(labels, np.int64),
        ),
        drivable_probability=nothing if drivable is None else drivable,
        lane_probability=nothing if lane is None else lane,
        thresholds=Thresholds(0.3, 0.5, 0.5),
        times=StageTimes(1, 2, 3),
        engine=EngineInfo('onnxruntime', 'CPUExecutionProvider', 'fp32', 1),
    )


def grey(wh=(320, 180)) -> np.ndarray:
    return np.full((wh[1], wh[0], 3), GREY, np.uint8)


def test_draw_overlay__nothing_found_is_a_copy():
    image = grey()
    overlay = draw_overlay(image, result())
    np.testing.assert_array_equal(overlay, image)
    assert not np.shares_memory(overlay, image)


def test_draw_overlay__road_is_greener_and_lane_is_bright():
    drivable = np.zeros((90, 160), np.uint8)
    drivable[60:] = 255
    lane = np.zeros((90, 160), np.uint8)
    lane[40:80, 70:74] = 255
    image = grey()
    image.flags.writeable = False
    overlay = draw_overlay(image, result(drivable=drivable, lane=lane)).astype(int)
    blue, green, red = overlay[150, 30]
    assert green > GREY + 30
    assert green > max(blue, red) + 30
    assert overlay[120, 143].max() > 220
    assert overlay[20, 20].tolist() == [GREY] * 3
    assert (image == GREY).all()


def test_draw_overlay__each_label_has_its_colour():
    boxes = [[20, 60, 80, 120], [120, 60, 180, 120], [220, 60, 280, 120]]
    overlay = draw_overlay(grey(), result(boxes=boxes, labels=[0, 1, 2]))
    colours = [tuple(overlay[51, int(box[0]) + 1].tolist()) for box in boxes]
    assert len({*colours, (GREY,) * 3}) == 4
    # The tag above the box is filled with its colour, and the inside stays free.
    for box, colour in zip(boxes, colours, strict=True):
        tag = overlay[48:60, int(box[0]) : int(box[0]) + 50].reshape(-1, 3)
        assert (tag == colour).all(axis=1).mean() > 0.4
        assert np.abs(overlay[100, int(box[0])].astype(int) - colour).max() < 40
        assert overlay[90, int(box[0]) + 30].tolist() == [GREY] * 3


@pytest.mark.parametrize(
    'box',
    [[0, 0, 320, 180], [300, 0, 320, 5], [-5, -5, 3, 3], [10, 170, 10, 170], [310, 175, 319, 179]],
)
def test_draw_overlay__tags_stay_inside(box):
    overlay = draw_overlay(grey(), result(boxes=[box], labels=[1]), caption='caption')
    assert overlay.shape == (180, 320, 3)
    assert (overlay != GREY).any()


@pytest.mark.parametrize('wh', [(1, 1), (8, 8), (640, 360), (1920, 1208)])
def test_draw_overlay__any_size(wh):
    found = result(boxes=[[0, 0, *wh]], labels=[0], source_wh=wh)
    assert draw_overlay(grey(wh), found, caption='a caption').shape == (wh[1], wh[0], 3)


def test_draw_overlay__caption_darkens_the_lower_border_only():
    overlay = draw_overlay(grey(), result(), caption='14.2 ms')
    assert np.median(overlay[-10:]) == GREY // 4
    assert (overlay[:140] == GREY).all()


def test_draw_overlay__refuses_an_image_of_another_size():
    with pytest.raises(ValueError, match=r'\(320, 180\)'):
        draw_overlay(grey((321, 180)), result())


def test_contact_sheet__cells_in_reading_order():
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    images = [np.full((90, 160, 3), colour, np.uint8) for colour in colours]
    images[2] = cv2.resize(images[2], (90, 90))
    sheet = contact_sheet(images, columns=2, width=320)
    cell_h = 87  # 154 wide
    assert sheet.shape == (2 * cell_h + 12, 320, 3)
    assert sheet[40, 80].tolist() == [255, 0, 0]
    assert sheet[40, 240].tolist() == [0, 255, 0]
    assert sheet[4 + cell_h + 40, 80].tolist() == [0, 0, 255]
    assert sheet[4 + cell_h + 40, 8].max() < 40  # a square in a wide cell leaves bars
    assert sheet[4 + cell_h + 40, 240].max() < 40


@pytest.mark.parametrize(
    ('count', 'columns', 'width', 'words'),
    [(0, 2, 320, 'got 0 and 2'), (1, 0, 320, 'got 1 and 0'), (1, 40, 100, 'no room')],
)
def test_contact_sheet__refused(count, columns, width, words):
    with pytest.raises(ValueError, match=words):
        contact_sheet([grey()] * count, columns=columns, width=width)
