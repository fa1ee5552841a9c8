# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from panoptic_perception.core.codec import ImageError, ImageLimits
from panoptic_perception.core.results import (
    Detections,
    EngineInfo,
    PanopticResult,
    StageTimes,
    Thresholds,
)
from panoptic_perception.ros import messages

HEADER = Header(frame_id='front_camera')
HEADER.stamp.sec = 12


def result_of(boxes, scores, labels):
    return PanopticResult(
        source_wh=(64, 48),
        labels=('vehicle', 'person'),
        detections=Detections(
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            scores=np.array(scores, np.float32),
            labels=np.array(labels, np.int64),
        ),
        drivable_probability=np.zeros((24, 32), np.uint8),
        lane_probability=np.zeros((24, 32), np.uint8),
        thresholds=Thresholds(score=0.3, drivable=0.5, lane=0.5),
        times=StageTimes(1.0, 2.0, 3.0),
        engine=EngineInfo('onnxruntime', 'CPUExecutionProvider', 'fp32', 1),
    )


def test_detections_message__none():
    message = messages.detections_message(HEADER, result_of([], [], []))
    assert message.header == HEADER
    assert message.detections == []


def test_detections_message():
    message = messages.detections_message(
        HEADER, result_of([[1, 2, 5, 10], [0, 0, 1, 1]], [0.75, 0.5], [1, 0])
    )
    first, second = message.detections
    assert first.header == HEADER
    assert (first.bbox.center.position.x, first.bbox.center.position.y) == (3.0, 6.0)
    assert (first.bbox.size_x, first.bbox.size_y) == (4.0, 8.0)
    assert [d.results[0].hypothesis.class_id for d in (first, second)] == ['person', 'vehicle']
    assert [d.results[0].hypothesis.score for d in (first, second)] == [0.75, 0.5]


@pytest.mark.parametrize(
    ('image', 'encoding', 'step'),
    [
        (np.arange(12, dtype=np.uint8).reshape(3, 4), 'mono8', 4),
        (np.arange(36, dtype=np.uint8).reshape(3, 4, 3), 'bgr8', 12),
        (np.arange(48, dtype=np.uint8).reshape(6, 8)[::2, ::2], 'mono8', 4),
        (np.arange(36, dtype=np.uint8).reshape(3, 4, 3)[:, ::-1], 'bgr8', 12),
    ],
)
def test_image_message__round_trip(image, encoding, step):
    message = messages.image_message(HEADER, image)
    assert (message.header, message.encoding, message.step) == (HEADER, encoding, step)
    again = messages.read_message(serialize_message(message), Image)
    assert again == message
    colour = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    np.testing.assert_array_equal(messages.decode(again, ImageLimits()), colour)


def test_jpeg_message__round_trip():
    image = np.full((48, 64, 3), (10, 120, 200), np.uint8)
    message = messages.jpeg_message(HEADER, image, quality=95)
    assert message.format == 'bgr8; jpeg compressed bgr8'
    again = messages.read_message(serialize_message(message), CompressedImage)
    np.testing.assert_allclose(messages.decode(again, ImageLimits()), image, atol=4)


@pytest.mark.parametrize('data', [b'', b'\x00', bytes(8), bytes(range(256)), b'\xff' * 64])
@pytest.mark.parametrize('message_type', [Image, CompressedImage])
def test_read_message__bytes_that_are_no_image(data, message_type):
    with pytest.raises(ImageError) as error:
        messages.decode(messages.read_message(data, message_type), ImageLimits())
    assert error.value.reason


def test_read_message__truncated_anywhere():
    data = serialize_message(messages.image_message(HEADER, np.zeros((4, 4, 3), np.uint8)))
    for length in range(len(data) - 8):
        with pytest.raises(ImageError) as error:
            messages.decode(messages.read_message(data[:length], Image), ImageLimits())
        assert error.value.reason in ('bad_message', 'zero_size', 'short_data')


def test_decode__limits():
    message = messages.image_message(HEADER, np.zeros((4, 40, 3), np.uint8))
    with pytest.raises(ImageError) as error:
        messages.decode(message, ImageLimits(max_side=39))
    assert error.value.reason == 'too_large'


def test_label_info_message():
    message = messages.label_info_message(('vehicle', 'person'), 0.25)
    assert [(c.class_id, c.class_name) for c in message.class_map] == [
        (0, 'vehicle'),
        (1, 'person'),
    ]
    assert message.threshold == 0.25
