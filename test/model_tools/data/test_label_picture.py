# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.data.label_picture import draw_labels, draw_legend, sheet_of, write_text
from model_tools.data.sample import IGNORE, Sample

GREY = np.full((60, 80, 3), 100, np.uint8)


def sample(*, boxes=(), crowd=(), drivable=None, lane=None, image=GREY):
    return Sample(
        name='a',
        image=image,
        attributes={},
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        labels=np.arange(len(boxes)),
        crowd=np.array(crowd, bool),
        boxes_complete=True,
        drivable=drivable,
        drivable_direct=None,
        lane=lane,
    )


def mask(value):
    plane = np.zeros((60, 80), np.uint8)
    plane[30:, 40:] = value
    return plane


def test_draw_labels__without_labels_is_a_copy():
    picture = draw_labels(sample(), 80)
    np.testing.assert_array_equal(picture, GREY)
    picture[:] = 0
    assert GREY.min() == 100


@pytest.mark.parametrize(
    ('labels', 'bgr'),
    [
        ({'drivable': mask(255)}, (96, 135, 86)),  # 0.65 * 100 + 0.35 * (90, 200, 60)
        ({'drivable': mask(IGNORE)}, (114, 114, 114)),
        ({'lane': mask(IGNORE)}, (114, 114, 114)),
        ({'lane': mask(255), 'drivable': mask(255)}, (239, 85, 238)),
    ],
)
def test_draw_labels__masks(labels, bgr):
    picture = draw_labels(sample(**labels), 80)
    np.testing.assert_array_equal(picture[:30], GREY[:30])
    np.testing.assert_array_equal(picture[:, :40], GREY[:, :40])
    assert np.unique(picture[30:, 40:].reshape(-1, 3), axis=0).tolist() == [list(bgr)]


def test_draw_labels__boxes_scale_with_the_picture_and_crowd_is_dashed():
    box = (10, 10, 60, 40)
    whole = draw_labels(sample(boxes=[box], crowd=[False]), 160)
    dashed = draw_labels(sample(boxes=[box], crowd=[True]), 160)
    assert whole.shape == (120, 160, 3)
    edge = whole[20, 25:115] != 100
    assert edge.any(axis=1).all()
    assert 0.4 < (dashed[20, 25:115] != 100).any(axis=1).mean() < 0.7
    assert (dashed[25:75, 25:115] == 100).all()
    colours = {tuple(whole[20, 60].tolist()), tuple(dashed[20, 20].tolist())}
    assert len(colours) == 1


def test_sheet_of__keeps_the_tiles():
    tiles = [np.full((20, 30, 3), value, np.uint8) for value in (50, 150, 250)]
    sheet = sheet_of(tiles, 2)
    assert sheet.shape == (2 * 20 + 12, 2 * 30 + 12, 3)
    np.testing.assert_array_equal(sheet[4:24, 38:68], tiles[1])


def test_draw_legend__has_the_width_asked_for():
    assert draw_legend(['vehicle'], 700).shape == (24, 700, 3)
    assert (draw_legend(['a'], 700) != draw_legend(['a', 'b'], 700)).any()


@pytest.mark.parametrize('text', ['', 'short', 'a very long name ' * 9, 'Straße', '\udce9'])
def test_write_text__stays_inside(text):
    canvas = np.zeros((20, 200, 3), np.uint8)
    end = write_text(canvas, text, (4, 14))
    assert end <= 200
    assert canvas.any() == bool(text)
