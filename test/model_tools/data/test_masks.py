# SPDX-License-Identifier: Apache-2.0
import struct
import zlib

import cv2
import numpy as np
import pytest

from model_tools.data.lane_drawing import LANE_CATEGORIES
from model_tools.data.masks import (
    decode_drivable_bytes,
    decode_image,
    decode_lane_bytes,
    decode_yolop_mask,
)
from model_tools.data.problems import DatasetError
from model_tools.data.sample import IGNORE

WH = (4, 1)


def _png(pixels):
    return cv2.imencode('.png', np.array([pixels], np.uint8))[1].tobytes()


def _grey(values):
    return _png([[v] for v in values])


def _palette(indices, colours):
    """Write a palette PNG, which OpenCV cannot."""
    chunks = {
        b'IHDR': struct.pack('>IIBBBBB', len(indices), 1, 8, 3, 0, 0, 0),
        b'PLTE': bytes(channel for colour in colours for channel in colour),
        b'IDAT': zlib.compress(bytes([0, *indices])),
        b'IEND': b'',
    }
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
        for name, data in chunks.items()
    )


@pytest.mark.parametrize(
    ('png', 'expected'),
    [
        (_grey([0, 255, IGNORE, 0]), [0, 255, IGNORE, 0]),
        (_grey([0, 1, 126, 128]), [0, 255, 255, 255]),
        (_png([[v] * 3 for v in (0, 255, IGNORE, 0)]), [0, 255, IGNORE, 0]),
        (_png([[0, 0, 0], [0, 0, 255], [IGNORE] * 3, [9, 0, 0]]), [0, 255, IGNORE, 255]),
        (_png([[0, 0, 0, 255], [255] * 4, [IGNORE] * 3 + [255], [0] * 4]), [0, 255, IGNORE, 0]),
        (_palette([0, 1, 2, 0], [(0, 0, 0), (255, 0, 0), (IGNORE,) * 3]), [0, 255, IGNORE, 0]),
    ],
    ids=['grey', 'other values', 'grey as colour', 'colour', 'RGBA', 'palette'],
)
def test_decode_yolop_mask(png, expected):
    mask = decode_yolop_mask(png, WH, 'm.png')
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, [expected])


def test_decode_drivable_bytes():
    merged, direct = decode_drivable_bytes(_grey([0, 1, 2, 255]), WH, 'm.png')
    np.testing.assert_array_equal(merged, [[255, 255, 0, IGNORE]])
    np.testing.assert_array_equal(direct, [[255, 0, 0, IGNORE]])


@pytest.mark.parametrize(
    ('byte', 'category'),
    [
        (0, 'crosswalk'),
        (4, 'road curb'),
        (6, 'single white'),
        (7, 'single yellow'),
        (39, 'single yellow'),  # solid, vertical
        (55, 'single yellow'),  # dashed, vertical
        (3, 'double yellow'),
        (15, None),  # the background bit
        (63, None),
        (255, None),
    ],
)
def test_decode_lane_bytes(byte, category):
    lane = decode_lane_bytes(_grey([byte, 255, 255, byte]), WH, 'm.png')
    value = 255 if category in LANE_CATEGORIES else 0
    np.testing.assert_array_equal(lane, [[value, 0, 0, value]])


SIXTEEN_BITS = cv2.imencode('.png', np.array([[0, 1, 255, 65535]], np.uint16))[1].tobytes()


@pytest.mark.parametrize('decode', [decode_yolop_mask, decode_drivable_bytes, decode_lane_bytes])
@pytest.mark.parametrize(
    ('png', 'message', 'kind'),
    [
        (b'', 'no data', 'bad_mask'),
        (b'text', 'neither JPEG nor PNG', 'bad_mask'),
        (_grey([0] * 4)[:-12], 'cut short', 'bad_mask'),
        (_grey([0] * 3), 'expected a mask of 4x1 like its image, found 3x1', 'mask_size'),
        (SIXTEEN_BITS, 'at most 8 bits', 'bad_mask'),
        (
            cv2.imencode('.jpg', np.zeros((1, 4), np.uint8))[1].tobytes(),
            'found a JPEG',
            'bad_mask',
        ),
    ],
)
def test_decode__broken_mask_is_named(decode, png, message, kind):
    with pytest.raises(DatasetError, match=message) as error:
        decode(png, WH, 'folder/m.png')
    assert "'folder/m.png'" in str(error.value)
    assert error.value.kind == kind


COLOURS = [(0, 0, 0), (0, 0, 255), (0, 255, 0), (0, 0, 0)]


@pytest.mark.parametrize(
    ('decode', 'png', 'message'),
    [
        (decode_drivable_bytes, _png(COLOURS), 'masks, not colormaps'),
        (decode_lane_bytes, _png(COLOURS), 'masks, not colormaps'),
        (
            decode_drivable_bytes,
            _palette([0, 1, 2, 2], [(219, 94, 86), (86, 211, 219), (0, 0, 0)]),
            'masks, not colormaps',
        ),
        (
            decode_drivable_bytes,
            _grey([0, 7, 254, 2]),
            r'bytes \[0, 1, 2, 255\], found \[  7 254\]',
        ),
    ],
)
def test_decode__colours_are_no_codes(decode, png, message):
    with pytest.raises(DatasetError, match=message) as error:
        decode(png, WH, 'm.png')
    assert error.value.kind == 'bad_mask'


JPEG = cv2.imencode('.jpg', np.full((64, 64, 3), 200, np.uint8))[1].tobytes()


@pytest.mark.parametrize('file', [b'', b'text', JPEG[:-2], JPEG[: len(JPEG) // 2]])
def test_decode_image__broken_image_is_named(file):
    with pytest.raises(DatasetError, match=r"'a\.jpg': ") as error:
        decode_image(file, 'a.jpg')
    assert error.value.kind == 'bad_image'


@pytest.mark.parametrize(
    ('file', 'shape'),
    [(JPEG, (64, 64, 3)), (_grey([9] * 4), (1, 4, 3)), (_png([[1, 2, 3, 4]] * 4), (1, 4, 3))],
    ids=['JPEG', 'grey PNG', 'RGBA PNG'],
)
def test_decode_image__is_always_bgr(file, shape):
    assert decode_image(file, 'a').shape == shape
