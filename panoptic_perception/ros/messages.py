# SPDX-License-Identifier: Apache-2.0
"""Between ROS messages and arrays, in both directions."""

from __future__ import annotations

from array import array
from typing import TypeAlias

import numpy as np
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox2D,
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesisWithPose,
    VisionClass,
)

from panoptic_perception.core.codec import (
    ImageError,
    ImageLimits,
    decode_compressed,
    decode_image,
    encode_jpeg,
)
from panoptic_perception.core.results import PanopticResult

CameraMessage: TypeAlias = Image | CompressedImage


def read_message(data: bytes, message_type: type[CameraMessage]) -> CameraMessage:
    """Deserialise a camera message; raise `ImageError` 'bad_message' if it is none."""
    try:
        return deserialize_message(data, message_type)
    except Exception as error:  # its type is private to rclpy
        raise ImageError(
            'bad_message',
            f'the message of {len(data)} bytes is no sensor_msgs/{message_type.__name__}',
        ) from error


def decode(message: CameraMessage, limits: ImageLimits) -> np.ndarray:
    """Return the (H, W, 3) uint8 BGR image of a message, or raise `ImageError`."""
    if isinstance(message, CompressedImage):
        return decode_compressed(message.data, described=message.format, limits=limits)
    return decode_image(
        encoding=message.encoding,
        width=message.width,
        height=message.height,
        step=message.step,
        is_bigendian=bool(message.is_bigendian),
        data=message.data,
        limits=limits,
    )


def detections_message(header: Header, result: PanopticResult) -> Detection2DArray:
    """Describe the boxes in source pixels; class_id is the label's name."""
    found = result.detections
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
    return Detection2DArray(
        header=header,
        detections=[
            _detection(header, box, score, result.labels[label]) for box, score, label in rows
        ],
    )


def _detection(header: Header, box: list[float], score: float, label: str) -> Detection2D:
    x1, y1, x2, y2 = box
    bounds = BoundingBox2D(size_x=x2 - x1, size_y=y2 - y1)
    bounds.center.position.x = (x1 + x2) / 2
    bounds.center.position.y = (y1 + y2) / 2
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = label
    hypothesis.hypothesis.score = score
    return Detection2D(header=header, bbox=bounds, results=[hypothesis])


def image_message(header: Header, image: np.ndarray) -> Image:
    """Wrap an (H, W) uint8 mask as mono8 or an (H, W, 3) uint8 image as bgr8."""
    message = Image(
        header=header,
        height=image.shape[0],
        width=image.shape[1],
        encoding='mono8' if image.ndim == 2 else 'bgr8',
        step=image.shape[1] * (1 if image.ndim == 2 else 3),
    )
    # Filling it byte by byte, as every other type makes rclpy do, takes 100 ms.
    data = array('B')
    data.frombytes(np.ascontiguousarray(image).data.cast('B'))
    message.data = data
    return message


def jpeg_message(header: Header, image: np.ndarray, *, quality: int) -> CompressedImage:
    """Compress an (H, W, 3) uint8 BGR image."""
    message = CompressedImage(header=header, format='bgr8; jpeg compressed bgr8')
    message.data = array('B', encode_jpeg(image, quality=quality))
    return message


def label_info_message(labels: tuple[str, ...], score_threshold: float) -> LabelInfo:
    """Name the classes of the detections."""
    return LabelInfo(
        class_map=[
            VisionClass(class_id=index, class_name=name) for index, name in enumerate(labels)
        ],
        threshold=score_threshold,
    )
