# SPDX-License-Identifier: Apache-2.0
"""Every encoding against known colours, every refusal by its reason."""

from __future__ import annotations

import array
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from panoptic_perception.core.codec import (
    ENCODINGS,
    ImageError,
    ImageLimits,
    decode_compressed,
    decode_image,
    encode_jpeg,
)

BLUE, GREEN, RED = 30, 120, 200
BAYER = [name for name in ENCODINGS if name.startswith('bayer')]
EVEN_WIDTH = ('yuv422_yuy2', 'yuyv', 'uyvy', 'yuv422', 'nv12', 'nv21')
SMALL = ImageLimits(max_side=64, max_pixels=2048, max_compressed_bytes=10_000)


def payload(image: np.ndarray, encoding: str, *, is_bigendian: bool = False) -> np.ndarray:
    """Write a BGR image by the definition of the encoding; return its rows of bytes."""
    height, width = image.shape[:2]
    blue, green, red = (image[:, :, channel] for channel in range(3))
    opaque = np.full_like(blue, 255)
    if encoding in ('mono8', '8UC1'):
        return green
    if encoding in ('mono16', '16UC1'):
        low_byte = np.full_like(green, 99)
        pair = (green, low_byte) if is_bigendian else (low_byte, green)
        return np.stack(pair, axis=2).reshape(height, -1)
    if encoding in ('bgr8', '8UC3'):
        return image.reshape(height, -1)
    if encoding in ('rgb8', 'rgba8', 'bgra8'):
        planes = {'r': red, 'g': green, 'b': blue, 'a': opaque}
        return np.stack([planes[letter] for letter in encoding[:-1]], axis=2).reshape(height, -1)
    if encoding in BAYER:
        planes = {'r': red, 'g': green, 'b': blue}
        mosaic = np.empty((height, width), np.uint8)
        for place, letter in enumerate(encoding[6:10]):
            part = slice(place // 2, None, 2), slice(place % 2, None, 2)
            mosaic[part] = planes[letter][part]
        return mosaic
    y, u, v = bt601(image)
    if encoding in ('nv12', 'nv21'):
        pair = (u, v) if encoding == 'nv12' else (v, u)
        chroma = np.stack([plane[::2, ::2] for plane in pair], axis=2)
        return np.concatenate((y, chroma.reshape(height // 2, width)))
    order = 'yuyv' if encoding in ('yuyv', 'yuv422_yuy2') else 'uyvy'
    first, second = (u, y) if order == 'uyvy' else (y, u)
    packed = np.empty((height, width, 2), np.uint8)
    packed[:, ::2, 0], packed[:, ::2, 1] = first[:, ::2], second[:, ::2]
    first, second = (v, y) if order == 'uyvy' else (y, v)
    packed[:, 1::2, 0], packed[:, 1::2, 1] = first[:, 1::2], second[:, 1::2]
    return packed.reshape(height, -1)


def bt601(image: np.ndarray) -> list[np.ndarray]:
    """Return Y, U and V planes in video range."""
    blue, green, red = (image[:, :, channel].astype(float) for channel in range(3))
    planes = (
        16 + 0.257 * red + 0.504 * green + 0.098 * blue,
        128 - 0.148 * red - 0.291 * green + 0.439 * blue,
        128 + 0.439 * red - 0.368 * green - 0.071 * blue,
    )
    return [np.rint(plane).astype(np.uint8) for plane in planes]


def decode(rows: np.ndarray, encoding: str, width: int, height: int, **options) -> np.ndarray:
    fields = {'step': rows.shape[1], 'is_bigendian': False, 'data': rows.tobytes()} | options
    return decode_image(encoding=encoding, width=width, height=height, **fields)


@pytest.mark.parametrize(
    ('fields', 'reason', 'words'),
    [
        ({'width': 0}, 'zero_size', '0x2'),
        ({'height': 0}, 'zero_size', '4x0'),
        ({'width': 8193, 'step': 8193 * 3}, 'too_large', '8192'),
        ({'height': 2**32 - 1}, 'too_large', '4294967295'),
        ({'width': 8000, 'height': 8000, 'step': 24000}, 'too_large', '40000000'),
        ({'encoding': ''}, 'unknown_encoding', "''"),
        ({'encoding': 'BGR8'}, 'unknown_encoding', 'bgr8'),
        ({'encoding': '32FC1'}, 'unknown_encoding', '32FC1'),
        ({'encoding': 'yuyv', 'width': 3}, 'odd_size', '3x2'),
        ({'encoding': 'nv12', 'height': 1}, 'odd_size', '4x1'),
        ({'step': 0}, 'bad_step', 'has 12 bytes'),
        ({'step': 11}, 'bad_step', 'has 12 bytes'),
        ({'step': 2**32 - 1}, 'short_data', '4294967307'),
        ({'data': b''}, 'short_data', '0 bytes'),
        ({'data': bytes(23)}, 'short_data', 'need 24'),
        ({'data': bytes(27), 'encoding': 'nv21'}, 'short_data', 'need 28'),
        ({'data': [0] * 24}, 'bad_data', 'list'),
        ({'data': None}, 'bad_data', 'NoneType'),
    ],
)
def test_decode_image__refused(fields, reason, words):
    good = {
        'encoding': 'bgr8',
        'width': 4,
        'height': 2,
        'step': 12,
        'is_bigendian': False,
        'data': bytes(24),
    }
    assert decode_image(**good).shape == (2, 4, 3)
    with pytest.raises(ImageError, match=words) as caught:
        decode_image(**(good | fields))
    assert caught.value.reason == reason


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_decode_image__uniform_colour(encoding):
    image = np.empty((6, 8, 3), np.uint8)
    image[:] = BLUE, GREEN, RED
    decoded = decode(payload(image, encoding), encoding, 8, 6)
    grey = encoding in ('mono8', '8UC1', 'mono16', '16UC1')
    expected = np.full_like(image, GREEN) if grey else image
    assert decoded.dtype == np.uint8
    np.testing.assert_allclose(decoded.astype(int), expected, atol=3 if 'y' in encoding else 1)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_decode_image__left_right_top_bottom(encoding):
    """A bright quarter stays where it is, so rows, columns and channels are not mixed up."""
    image = np.full((16, 16, 3), 40, np.uint8)
    image[:8, 8:] = 220
    decoded = decode(payload(image, encoding), encoding, 16, 16)
    inner = np.s_[2:6], np.s_[10:14]
    np.testing.assert_allclose(decoded[inner].astype(int), 220, atol=3)
    for dark in (np.s_[2:6, 2:6], np.s_[10:14, 2:6], np.s_[10:14, 10:14]):
        np.testing.assert_allclose(decoded[dark].astype(int), 40, atol=3)


@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
@pytest.mark.parametrize('is_bigendian', [False, True])
def test_decode_image__byte_order(encoding, is_bigendian):
    values = np.array([[0, 255, 256, 0x1234, 0xFFFF]], '>u2' if is_bigendian else '<u2')
    decoded = decode(values.view(np.uint8), encoding, 5, 1, is_bigendian=is_bigendian)
    assert decoded[0].tolist() == [[0] * 3, [0] * 3, [1] * 3, [0x12] * 3, [0xFF] * 3]


@given(
    encoding=st.sampled_from(ENCODINGS),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    padding=st.integers(0, 9),
    is_bigendian=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_decode_image__padded_rows_change_nothing(
    encoding, width, height, padding, is_bigendian, seed
):
    if encoding in EVEN_WIDTH:
        width, height = 2 * width, 2 * height
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    rows = payload(image, encoding, is_bigendian=is_bigendian)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=255)
    order = {'is_bigendian': is_bigendian}
    tight = decode(rows, encoding, width, height, **order)
    assert tight.shape == (height, width, 3)
    np.testing.assert_array_equal(decode(padded, encoding, width, height, **order), tight)
    without_last_padding = padded.tobytes()[: padded.size - padding]
    np.testing.assert_array_equal(
        decode(padded, encoding, width, height, data=without_last_padding, **order), tight
    )
    if encoding in ('bgr8', '8UC3', 'rgb8', 'bgra8', 'rgba8'):
        np.testing.assert_array_equal(tight, image)


@pytest.mark.parametrize(
    'wrap',
    [
        bytes,
        bytearray,
        memoryview,
        lambda raw: array.array('B', raw),
        lambda raw: np.frombuffer(raw, np.uint8),
        lambda raw: np.frombuffer(raw, np.int8),
        lambda raw: np.frombuffer(raw, '<u2'),
        lambda raw: memoryview(np.frombuffer(raw, np.uint8).repeat(2))[::2],
        lambda raw: np.frombuffer(raw, np.uint8).reshape(4, 6)[:, ::-1][:, ::-1],
        lambda raw: raw + b'longer than needed',
    ],
    ids=['bytes', 'bytearray', 'memoryview', 'array', 'uint8', 'int8', 'u2', 'gaps', '2d', 'long'],
)
def test_decode_image__kinds_of_data(wrap):
    raw = bytes(range(24))
    decoded = decode_image(
        encoding='bgr8', width=4, height=2, step=12, is_bigendian=False, data=wrap(raw)
    )
    assert decoded.tobytes() == raw


def test_decode_image__bgr8_is_a_view():
    data = np.zeros(24, np.uint8)
    fields = {'encoding': 'bgr8', 'width': 4, 'height': 2, 'step': 12, 'is_bigendian': False}
    assert np.shares_memory(decode_image(data=data, **fields), data)
    assert not decode_image(data=bytes(24), **fields).flags.writeable


def test_decode_image__limits_are_inclusive():
    fields = {'encoding': 'mono8', 'step': 64, 'is_bigendian': False, 'data': bytes(64 * 64)}
    assert decode_image(width=64, height=32, limits=SMALL, **fields).shape == (32, 64, 3)
    with pytest.raises(ImageError, match='64x33'):
        decode_image(width=64, height=33, limits=SMALL, **fields)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + png_chunk(b'IHDR', header)


IMAGE = cv2.GaussianBlur(
    np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8), (9, 9), 0
)
JPEG = encode_jpeg(IMAGE)
PNG = cv2.imencode('.png', IMAGE)[1].tobytes()
SCAN = JPEG.index(b'\xff\xda')
FRAME = JPEG.index(b'\xff\xc0')


def with_jpeg_size(width: int, height: int) -> bytes:
    return JPEG[: FRAME + 5] + struct.pack('>HH', height, width) + JPEG[FRAME + 9 :]


@pytest.mark.parametrize(
    ('data', 'reason'),
    [
        (b'', 'short_data'),
        (b'\0', 'unknown_encoding'),
        (b'GIF89a' + bytes(40), 'unknown_encoding'),
        (JPEG[1:], 'unknown_encoding'),
        (JPEG[:3], 'corrupt'),
        (JPEG[: FRAME + 6], 'corrupt'),
        (JPEG[:SCAN], 'corrupt'),
        (JPEG[: SCAN + 40], 'corrupt'),
        (JPEG[: len(JPEG) // 2], 'corrupt'),
        (JPEG[:-2], 'corrupt'),
        (JPEG[:2] + b'\xff\xd9' * 50, 'corrupt'),
        (JPEG[:FRAME] + JPEG[SCAN:], 'corrupt'),
        (b'\xff\xd8' + b'\xff' * 200, 'corrupt'),
        (with_jpeg_size(0, 32), 'zero_size'),
        (with_jpeg_size(65535, 65535), 'too_large'),
        (JPEG + bytes(10_000), 'too_large'),
        (PNG[:20], 'corrupt'),
        (PNG[: len(PNG) // 2], 'corrupt'),
        (PNG[:-12], 'corrupt'),
        (PNG[: len(PNG) // 2] + PNG[-12:], 'corrupt'),
        (PNG[:100] + bytes([PNG[100] ^ 1]) + PNG[101:], 'corrupt'),
        (png_header(0, 5) + png_chunk(b'IEND', b''), 'zero_size'),
        (png_header(2**31 - 1, 2**31 - 1) + png_chunk(b'IEND', b''), 'too_large'),
        (png_header(5, 5) + png_chunk(b'IEND', b''), 'corrupt'),
        ('text', 'bad_data'),
    ],
)
def test_decode_compressed__refused(data, reason):
    with pytest.raises(ImageError) as caught:
        decode_compressed(data, limits=SMALL)
    assert caught.value.reason == reason


@pytest.mark.parametrize('file', [JPEG, PNG], ids=['jpeg', 'png'])
def test_decode_compressed__every_truncation_is_refused(file):
    for length in range(len(file) - 12):
        with pytest.raises(ImageError):
            decode_compressed(file[:length])


@given(data=st.data())
def test_decode_compressed__damage_never_escapes(data):
    file = bytearray(data.draw(st.sampled_from([JPEG, PNG])))
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(file) - 1))
        file[place] = data.draw(st.integers(0, 255))
    try:
        decoded = decode_compressed(file, limits=SMALL)
    except ImageError:
        return  # any other error fails the test
    assert decoded.ndim == 3
    assert decoded.dtype == np.uint8


@pytest.mark.parametrize(
    ('file', 'tolerance'),
    [
        (PNG, 0),
        (JPEG, 20),
        (array.array('B', PNG), 0),
        (np.frombuffer(PNG, np.uint8), 0),
        (memoryview(bytes(2).join(bytes([byte]) for byte in PNG))[::3], 0),
        (JPEG + bytes(100), 20),
        (cv2.imencode('.jpg', IMAGE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1], 20),
        (cv2.imencode('.png', IMAGE.astype(np.uint16) * 257)[1], 0),
    ],
    ids=['png', 'jpeg', 'array', 'numpy', 'gaps', 'padded', 'progressive', '16 bit'],
)
def test_decode_compressed__values(file, tolerance):
    np.testing.assert_allclose(decode_compressed(file).astype(int), IMAGE, atol=tolerance)


@pytest.mark.parametrize('extension', ['.jpg', '.png'])
def test_decode_compressed__grey_becomes_bgr(extension):
    file = cv2.imencode(extension, np.full((8, 8), 77, np.uint8))[1]
    assert (decode_compressed(file) == np.full((8, 8, 3), 77)).all()


@pytest.mark.parametrize('encoding', BAYER)
def test_decode_compressed__mosaics_of_bayer_cameras(encoding):
    image = np.full((8, 8, 3), (10, 100, 200), np.uint8)
    file = cv2.imencode('.png', payload(image, encoding))[1]
    assert (decode_compressed(file, described=f'{encoding}; png compressed ') == image).all()
    for described in ('', 'mono8; png compressed ', 'bayer_none8; png compressed '):
        assert decode_compressed(file, described=described).std(axis=2).max() == 0
    colour = cv2.imencode('.png', IMAGE)[1]
    converted = f'{encoding}; png compressed bgr8'
    np.testing.assert_array_equal(decode_compressed(colour, described=converted), IMAGE)


def test_encode_jpeg__quality():
    assert len(encode_jpeg(IMAGE, quality=30)) < len(encode_jpeg(IMAGE, quality=95))
    with pytest.raises(ValueError, match=r'\(0, 4, 3\)'):
        encode_jpeg(np.zeros((0, 4, 3), np.uint8))
