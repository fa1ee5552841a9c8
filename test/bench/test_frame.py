# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from panoptic_perception.bench.frame import SOURCE_WH
from panoptic_perception.core.codec import decode_compressed


def test_camera_jpeg__a_road_and_no_flat_picture(jpeg):
    image = decode_compressed(jpeg)
    assert image.shape == (SOURCE_WH[1], SOURCE_WH[0], 3)
    assert image.std() > 20
