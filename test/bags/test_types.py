# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from rosbags.serde import SerdeError

from panoptic_perception.bags import types

ROOT = Path(__file__).parents[2]


def test_typestore__knows_upstream_detection2d_array():
    assert types.typestore().hash_rihs01(types.DETECTIONS) == (
        'RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968'
    )


def test_shipped_definitions__are_those_of_the_interface_package():
    shipped = ROOT / 'panoptic_perception' / 'bags' / 'vision_msgs'
    built = ROOT / 'packaging' / 'vision_msgs' / 'msg'
    texts = {path.name: path.read_text().split() for path in shipped.glob('*.msg')}
    assert len(texts) == 16
    assert texts == {path.name: path.read_text().split() for path in built.glob('*.msg')}


@pytest.mark.parametrize('data', [b'', b'\0', b'\0\1\0\0', b'\0\1\0\0' + bytes(7), b'x' * 100])
def test_deserialize__bytes_that_are_no_image(data):
    with pytest.raises(SerdeError):
        types.deserialize(data, types.IMAGE)
