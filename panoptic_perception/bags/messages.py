# SPDX-License-Identifier: Apache-2.0
"""Build the messages of the node without ROS: the same bytes as `ros.messages` gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from panoptic_perception.bags.types import typestore
from panoptic_perception.core.codec import encode_jpeg
from panoptic_perception.core.results import PanopticResult

_TYPES: dict[str, Any] = dict(typestore().types)


def header(stamp_ns: int, frame_id: str) -> Any:
    """Return a std_msgs/Header of a time in nanoseconds."""
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    stamp = _TYPES['builtin_interfaces/msg/Time'](sec=sec, nanosec=nanosec)
    return _TYPES['std_msgs/msg/Header'](stamp=stamp, frame_id=frame_id)


def stamp_ns(message: Any) -> int:
    """Return the header time of a message in nanoseconds."""
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


def detections_message(head: Any, result: PanopticResult) -> Any:
    """Describe the boxes in source pixels; class_id is the label's name."""
    found = result.detections
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
    return _TYPES['vision_msgs/msg/Detection2DArray'](
        header=head,
        detections=[
            _detection(head, box, score, result.labels[label]) for box, score, label in rows
        ],
    )


def image_message(head: Any, image: np.ndarray) -> Any:
    """Wrap an (H, W) uint8 mask as mono8 or an (H, W, 3) uint8 image as bgr8."""
    return _TYPES['sensor_msgs/msg/Image'](
        header=head,
        height=image.shape[0],
        width=image.shape[1],
        encoding='mono8' if image.ndim == 2 else 'bgr8',
        is_bigendian=0,
        step=image.shape[1] * (1 if image.ndim == 2 else 3),
        data=np.ascontiguousarray(image).reshape(-1),
    )


def jpeg_message(head: Any, image: np.ndarray, *, quality: int) -> Any:
    """Compress an (H, W, 3) uint8 BGR image."""
    return _TYPES['sensor_msgs/msg/CompressedImage'](
        header=head,
        format='bgr8; jpeg compressed bgr8',
        data=np.frombuffer(encode_jpeg(image, quality=quality), np.uint8),
    )


def label_info_message(labels: Sequence[str], score_threshold: float) -> Any:
    """Name the classes of the detections."""
    classes = [
        _TYPES['vision_msgs/msg/VisionClass'](class_id=index, class_name=name)
        for index, name in enumerate(labels)
    ]
    return _TYPES['vision_msgs/msg/LabelInfo'](
        header=header(0, ''), class_map=classes, threshold=score_threshold
    )


def _detection(head: Any, box: Sequence[float], score: float, label: str) -> Any:
    x1, y1, x2, y2 = box
    return _TYPES['vision_msgs/msg/Detection2D'](
        header=head,
        results=[
            _TYPES['vision_msgs/msg/ObjectHypothesisWithPose'](
                hypothesis=_TYPES['vision_msgs/msg/ObjectHypothesis'](class_id=label, score=score),
                pose=_unknown_pose(),
            )
        ],
        bbox=_TYPES['vision_msgs/msg/BoundingBox2D'](
            center=_TYPES['vision_msgs/msg/Pose2D'](
                position=_TYPES['vision_msgs/msg/Point2D'](x=(x1 + x2) / 2, y=(y1 + y2) / 2),
                theta=0.0,
            ),
            size_x=x2 - x1,
            size_y=y2 - y1,
        ),
        id='',
    )


def _unknown_pose() -> Any:
    pose = _TYPES['geometry_msgs/msg/Pose'](
        position=_TYPES['geometry_msgs/msg/Point'](x=0.0, y=0.0, z=0.0),
        orientation=_TYPES['geometry_msgs/msg/Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0),
    )
    return _TYPES['geometry_msgs/msg/PoseWithCovariance'](pose=pose, covariance=np.zeros(36))
