# SPDX-License-Identifier: Apache-2.0
"""Turn raw or compressed sensor_msgs images into BGR arrays, or refuse them by reason."""

from __future__ import annotations

import array
from dataclasses import dataclass

import cv2
import numpy as np

BytesLike = bytes | bytearray | memoryview | array.array | np.ndarray


class ImageError(ValueError):
    """An image that cannot be decoded; `reason` is a short slug to count it by."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


@dataclass(frozen=True)
class ImageLimits:
    """The largest image that is accepted, checked before anything is allocated."""

    max_side: int = 8192
    max_pixels: int = 40_000_000
    max_compressed_bytes: int = 32 * 1024 * 1024


DEFAULT_LIMITS = ImageLimits()


@dataclass(frozen=True)
class _Layout:
    """How one encoding lays out its pixels; `to_bgr` is an OpenCV conversion or None for BGR."""

    pixel_bytes: int
    to_bgr: int | None
    even: bool = False
    chroma_rows: bool = False


# OpenCV names a Bayer pattern by its second row and column, sensor_msgs by its first.
_LAYOUTS = {
    'mono8': _Layout(1, cv2.COLOR_GRAY2BGR),
    '8UC1': _Layout(1, cv2.COLOR_GRAY2BGR),
    'mono16': _Layout(2, cv2.COLOR_GRAY2BGR),
    '16UC1': _Layout(2, cv2.COLOR_GRAY2BGR),
    'bgr8': _Layout(3, None),
    '8UC3': _Layout(3, None),
    'rgb8': _Layout(3, cv2.COLOR_RGB2BGR),
    'bgra8': _Layout(4, cv2.COLOR_BGRA2BGR),
    'rgba8': _Layout(4, cv2.COLOR_RGBA2BGR),
    'yuv422_yuy2': _Layout(2, cv2.COLOR_YUV2BGR_YUY2, even=True),
    'yuyv': _Layout(2, cv2.COLOR_YUV2BGR_YUY2, even=True),
    'uyvy': _Layout(2, cv2.COLOR_YUV2BGR_UYVY, even=True),
    'yuv422': _Layout(2, cv2.COLOR_YUV2BGR_UYVY, even=True),
    'nv12': _Layout(1, cv2.COLOR_YUV2BGR_NV12, even=True, chroma_rows=True),
    'nv21': _Layout(1, cv2.COLOR_YUV2BGR_NV21, even=True, chroma_rows=True),
    'bayer_rggb8': _Layout(1, cv2.COLOR_BayerBG2BGR),
    'bayer_bggr8': _Layout(1, cv2.COLOR_BayerRG2BGR),
    'bayer_gbrg8': _Layout(1, cv2.COLOR_BayerGR2BGR),
    'bayer_grbg8': _Layout(1, cv2.COLOR_BayerGB2BGR),
}
ENCODINGS: tuple[str, ...] = tuple(_LAYOUTS)
_SIXTEEN_BIT = ('mono16', '16UC1')


def decode_image(
    *,
    encoding: str,
    width: int,
    height: int,
    step: int,
    is_bigendian: bool,
    data: BytesLike,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> np.ndarray:
    """
    Decode the payload of a sensor_msgs/Image.

    Args:
        encoding: One of `ENCODINGS`.
        width: Pixels a row.
        height: Rows of the image (the chroma rows of nv12 and nv21 not counted).
        step: Bytes from the start of one row to the start of the next.
        is_bigendian: Byte order of 16-bit pixels.
        data: Any object with the buffer interface; need not be contiguous.
        limits: The largest image that is accepted.

    Returns:
        A BGR array of shape `(height, width, 3)`, uint8. For bgr8 and 8UC3 it is a view of `data`,
        read-only where `data` is; 16-bit images keep their high byte.

    Raises:
        ImageError: The fields contradict each other, the data, or the limits.

    """
    layout = _LAYOUTS.get(encoding)
    if layout is None:
        raise ImageError(
            'unknown_encoding',
            f'image encoding {encoding!r} is not supported; supported: {", ".join(ENCODINGS)}',
        )
    _check_size(width, height, limits)
    if layout.even and (width % 2 or (layout.chroma_rows and height % 2)):
        raise ImageError(
            'odd_size', f'{encoding} images need even sides, but this one is {width}x{height}'
        )
    rows = height * 3 // 2 if layout.chroma_rows else height
    pixels = _pixels(data, rows, width, step, layout.pixel_bytes, encoding)
    if layout.to_bgr is None:
        return pixels
    if encoding in _SIXTEEN_BIT:
        pixels = np.ascontiguousarray(pixels[:, :, 0 if is_bigendian else 1])
    return cv2.cvtColor(pixels, layout.to_bgr)


def decode_compressed(
    data: BytesLike, *, described: str = '', limits: ImageLimits = DEFAULT_LIMITS
) -> np.ndarray:
    """
    Decode a JPEG or PNG file held in memory.

    Args:
        data: The file's bytes.
        described: The `format` of a sensor_msgs/CompressedImage, such as 'rgb8; jpeg compressed
            bgr8'. image_transport compresses the mosaics of Bayer cameras as they are: a file of
            one channel that was 'bayer_rggb8' is one.
        limits: The largest image that is accepted, checked against the file's header.

    Returns:
        A BGR array of shape `(height, width, 3)`, uint8, turned as its EXIF orientation says.

    Raises:
        ImageError: The file is too large, of another format or cut short, or OpenCV refuses it.
            Damage inside the scan of a whole JPEG still decodes: OpenCV passes no warning on.

    """
    buffer = _buffer(data)
    if buffer.nbytes > limits.max_compressed_bytes:
        raise ImageError(
            'too_large',
            f'compressed image has {buffer.nbytes} bytes, '
            f'more than the limit of {limits.max_compressed_bytes}',
        )
    file = buffer.tobytes()
    _check_size(*_compressed_size(file), limits)
    encoding = described.partition(';')[0].strip()
    mosaic = _LAYOUTS.get(encoding) if encoding.startswith('bayer_') else None
    flags = cv2.IMREAD_ANYCOLOR if mosaic else cv2.IMREAD_COLOR
    try:
        image = cv2.imdecode(np.frombuffer(file, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise ImageError('corrupt', 'compressed image is damaged: its pixels cannot be decoded')
    return cv2.cvtColor(image, mosaic.to_bgr) if mosaic and image.ndim == 2 else image


def encode_jpeg(image: np.ndarray, *, quality: int = 90) -> bytes:
    """Encode a BGR or single-channel uint8 image as JPEG; quality is 1 to 100."""
    try:
        return cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    except cv2.error as error:
        raise ValueError(f'image of shape {image.shape} cannot be written as JPEG') from error


def _buffer(data: BytesLike) -> memoryview:
    try:
        return memoryview(data)  # type: ignore[arg-type]  # arrays are buffers too
    except TypeError as error:
        raise ImageError(
            'bad_data', f'image data must be a buffer of bytes, not {type(data).__name__}'
        ) from error


def _check_size(width: int, height: int, limits: ImageLimits) -> None:
    if width < 1 or height < 1:
        raise ImageError('zero_size', f'image size {width}x{height} has no pixels')
    if max(width, height) > limits.max_side or width * height > limits.max_pixels:
        raise ImageError(
            'too_large',
            f'image size {width}x{height} is above the limit of '
            f'{limits.max_side} pixels a side and {limits.max_pixels} pixels in all',
        )


def _pixels(
    data: BytesLike, rows: int, width: int, step: int, pixel_bytes: int, encoding: str
) -> np.ndarray:
    """View `data` as `(rows, width, pixel_bytes)` bytes; the last row may lack its padding."""
    row_bytes = width * pixel_bytes
    if step < row_bytes:
        raise ImageError(
            'bad_step',
            f'step of {step} bytes is too small: '
            f'a row of {width} {encoding} pixels has {row_bytes} bytes',
        )
    buffer = _buffer(data)
    needed = step * (rows - 1) + row_bytes
    if buffer.nbytes < needed:
        raise ImageError(
            'short_data',
            f'image data has {buffer.nbytes} bytes, but {rows} rows of {encoding} '
            f'with step {step} need {needed}',
        )
    flat = np.frombuffer(buffer if buffer.c_contiguous else buffer.tobytes(), np.uint8)
    return np.ndarray((rows, width, pixel_bytes), np.uint8, flat, strides=(step, pixel_bytes, 1))


def _compressed_size(file: bytes) -> tuple[int, int]:
    """Read width and height from the header of a complete JPEG or PNG file."""
    if not file:
        raise ImageError('short_data', 'compressed image has no data')
    if file.startswith(b'\xff\xd8\xff'):
        return _jpeg_size(file)
    if file.startswith(b'\x89PNG\r\n\x1a\n'):
        return _png_size(file)
    raise ImageError(
        'unknown_encoding',
        f'compressed image starts with bytes {file[:4].hex(" ")}: neither JPEG nor PNG',
    )


def _jpeg_size(file: bytes) -> tuple[int, int]:
    size = None
    position = 2
    while position + 4 <= len(file) and file[position] == 0xFF:
        marker = file[position + 1]
        if marker == 0xFF:  # fill byte before a marker
            position += 1
            continue
        if marker == 0xDA and size is not None:  # the scan starts: all headers are read
            break
        payload = file[position + 4 : position + 9]
        # 0xC0 to 0xCF start a frame, but for the tables DHT, JPG and DAC.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(payload) == 5:
            size = int.from_bytes(payload[3:5], 'big'), int.from_bytes(payload[1:3], 'big')
        position += 2 + int.from_bytes(file[position + 2 : position + 4], 'big')
    # OpenCV would return a file that was cut short as a half grey image.
    if size is None or file.rfind(b'\xff\xd9', position) < 0:
        raise ImageError('corrupt', f'JPEG image of {len(file)} bytes is damaged or cut short')
    return size


def _png_size(file: bytes) -> tuple[int, int]:
    if file[12:16] != b'IHDR' or file.rfind(b'IEND') < 33:
        raise ImageError('corrupt', f'PNG image of {len(file)} bytes is damaged or cut short')
    return int.from_bytes(file[16:20], 'big'), int.from_bytes(file[20:24], 'big')
