# SPDX-License-Identifier: Apache-2.0
"""Decode the mask files of BDD100K and of the YOLOP layout to 0, 255 and IGNORE."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from model_tools.data.bdd_labels import LANE_TYPES
from model_tools.data.lane_drawing import LANE_CATEGORIES
from model_tools.data.problems import DatasetError
from model_tools.data.sample import IGNORE
from panoptic_perception.core.codec import ImageError, decode_compressed

_UNKNOWN_BYTE = 255
_DIRECT, _ALTERNATIVE, _BACKGROUND = 0, 1, 2
_CATEGORY_BITS, _BACKGROUND_BIT = 0b111, 0b1000
_PNG_START, _PNG_DEPTH_AT = b'\x89PNG', 24


def decode_image(file: bytes, where: str) -> np.ndarray:
    """Decode a JPEG or PNG to (H, W, 3) BGR; DatasetError if it is damaged or cut short."""
    try:
        return decode_compressed(file)
    except ImageError as error:
        raise DatasetError(f"'{where}': {error}", kind='bad_image') from error


def decode_yolop_mask(png: bytes, wh: tuple[int, int], where: str) -> np.ndarray:
    """
    Decode a mask of the YOLOP layout: 0 is background, 127 not known, all else the class.

    Grey, colour and palette images do; a colour counts by its brightest channel.
    """
    blue, green, red = _decode(png, wh, where)
    return cv2.LUT(cv2.max(cv2.max(blue, green), red), _CLASS_OF_VALUE)


def decode_drivable_bytes(
    png: bytes, wh: tuple[int, int], where: str
) -> tuple[np.ndarray, np.ndarray]:
    """Decode a drivable mask (0 direct, 1 alternative, 2 background) to merged and direct."""
    value = _decode_bytes(png, wh, where)
    known = np.isin(value, _DRIVABLE_BYTES)
    if not known.all():
        raise DatasetError(
            f"'{where}': expected bytes {_DRIVABLE_BYTES}, found {np.unique(value[~known])[:5]}; "
            'is it a colormap, or a mask of another task?',
            kind='bad_mask',
        )
    return cv2.LUT(value, _MERGED_OF_BYTE), cv2.LUT(value, _DIRECT_OF_BYTE)


def decode_lane_bytes(png: bytes, wh: tuple[int, int], where: str) -> np.ndarray:
    """Decode a lane mask, bits `--dsbccc`: the categories that are drawn as lanes are 255."""
    return cv2.LUT(_decode_bytes(png, wh, where), _LANE_OF_BYTE)


def _decode(png: bytes, wh: tuple[int, int], where: str) -> Sequence[np.ndarray]:
    """Return the blue, green and red plane of a mask, which are the same if it is grey."""
    try:
        channels = decode_compressed(png)
    except ImageError as error:
        raise DatasetError(f"'{where}': {error}", kind='bad_mask') from error
    # OpenCV keeps the high byte of 16 bits, so 255 would be background; JPEG blurs values.
    if not png.startswith(_PNG_START) or png[_PNG_DEPTH_AT] > 8:
        raise DatasetError(
            f"'{where}': expected a PNG of at most 8 bits a channel, found a JPEG or 16 bits; "
            'convert it',
            kind='bad_mask',
        )
    height, width = channels.shape[:2]
    if (width, height) != wh:
        raise DatasetError(
            f"'{where}': expected a mask of {wh[0]}x{wh[1]} like its image, "
            f'found {width}x{height}',
            kind='mask_size',
        )
    return cv2.split(channels)


def _decode_bytes(png: bytes, wh: tuple[int, int], where: str) -> np.ndarray:
    """Decode a mask whose bytes are codes, which colours are not."""
    value, green, red = _decode(png, wh, where)
    if not (np.array_equal(value, green) and np.array_equal(value, red)):
        raise DatasetError(
            f"'{where}': expected a grey mask, found colours; take masks, not colormaps",
            kind='bad_mask',
        )
    return value


def _table(values: dict[int, int], default: int) -> np.ndarray:
    table = np.full(256, default, np.uint8)
    for key, value in values.items():
        table[key] = value
    return table


def _lane_table() -> np.ndarray:
    """Map lane bytes to 0 or 255; dashes and direction do not matter."""
    table = np.zeros(256, np.uint8)
    for byte in range(_UNKNOWN_BYTE):
        if not byte & _BACKGROUND_BIT:
            table[byte] = 255 * (LANE_TYPES[byte & _CATEGORY_BITS] in LANE_CATEGORIES)
    return table


_CLASS_OF_VALUE = _table({0: 0, IGNORE: IGNORE}, 255)
_DRIVABLE_BYTES = [_DIRECT, _ALTERNATIVE, _BACKGROUND, _UNKNOWN_BYTE]
_MERGED_OF_BYTE = _table({_DIRECT: 255, _ALTERNATIVE: 255, _UNKNOWN_BYTE: IGNORE}, 0)
_DIRECT_OF_BYTE = _table({_DIRECT: 255, _UNKNOWN_BYTE: IGNORE}, 0)
_LANE_OF_BYTE = _lane_table()
