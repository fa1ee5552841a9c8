# SPDX-License-Identifier: Apache-2.0
"""Our codec and the distribution's cv_bridge read the same images, where there is one."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from sensor_msgs.msg import Image

from panoptic_perception.core.codec import decode_image

cv_bridge = pytest.importorskip('cv_bridge', reason='cv_bridge comes with a ROS 2 distribution')


@pytest.mark.parametrize(
    ('encoding', 'channels'),
    [('bgr8', 3), ('rgb8', 3), ('bgra8', 4), ('rgba8', 4), ('mono8', 1)],
)
def test_decode_image__agrees_with_cv_bridge(encoding, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, channels), np.uint8)
    message = Image(height=6, width=8, encoding=encoding, step=8 * channels)
    message.data = array('B', pixels.tobytes())
    try:
        expected = cv_bridge.CvBridge().imgmsg_to_cv2(message, 'bgr8')
    except Exception as error:  # several releases of it fail with NumPy 2
        pytest.skip(f'this cv_bridge cannot read {encoding}: {error!r}')
    found = decode_image(
        encoding=encoding,
        width=message.width,
        height=message.height,
        step=message.step,
        is_bigendian=bool(message.is_bigendian),
        data=message.data,
    )
    np.testing.assert_array_equal(found, expected)
