# SPDX-License-Identifier: Apache-2.0
import warnings

import numpy as np

from model_tools.evaluation.experts.fitting import Stretch
from model_tools.evaluation.experts.twinlitenet import TwinLiteNetDecoder
from panoptic_perception.core.letterbox import Letterbox

WH = (4, 2)


def logits(difference, *, wh=WH):
    """Return two logits a pixel, (1, 2, H, W), with a background that softmax must cancel."""
    second = np.broadcast_to(np.float32(difference), wh[::-1]) + np.float32(2)
    return np.stack([np.full_like(second, 2), second])[None]


def test_call__softmax_of_two():
    drivable = logits([[0, np.log(3), -np.log(3), np.log(9)]] * 2)
    found = TwinLiteNetDecoder(WH)([drivable, logits(0)], Stretch((640, 360), WH))
    # 1/2, 3/4, 1/4 and 9/10 of 255
    np.testing.assert_allclose(found.drivable, [[127.5, 191, 64, 230]] * 2, atol=0.51)
    np.testing.assert_allclose(found.lane, np.full((2, 4), 127.5), atol=0.51)
    assert found.drivable.dtype == found.lane.dtype == np.uint8
    assert found.boxes.shape == (0, 4)


def test_call__extreme_logits():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        found = TwinLiteNetDecoder(WH)([logits(1e4), logits(-1e4)], Stretch((640, 360), WH))
    assert found.drivable.min() == 255
    assert found.lane.max() == 0


def test_call__padding_rows_are_cut_off():
    wh = (8, 8)
    rows = np.full((8, 8), 1e3, np.float32)
    rows[2:6] = -1e3
    found = TwinLiteNetDecoder(wh)(
        [logits(rows, wh=wh), logits(-rows, wh=wh)], Letterbox((80, 40), wh)
    )
    assert found.drivable.shape == found.lane.shape == (4, 8)
    assert found.drivable.max() == 0
    assert found.lane.min() == 255
