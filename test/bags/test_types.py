# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from rosbags.serde import SerdeError

from panoptic_perception.bags import types


def test_typestore__knows_upstream_detection2d_array():
    assert types.typestore().hash_rihs01(types.DETECTIONS) == (
        'RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968'
    )


@pytest.mark.parametrize('data', [b'', b'\0', b'\0\1\0\0', b'\0\1\0\0' + bytes(7), b'x' * 100])
def test_deserialize__bytes_that_are_no_image(data):
    with pytest.raises(SerdeError):
        types.deserialize(data, types.IMAGE)
