# SPDX-License-Identifier: Apache-2.0
"""What a network returned is believed only where it can be true."""

from __future__ import annotations

import numpy as np
import pytest

from panoptic_perception.engines.engine import EngineOutputError, checked_output
from panoptic_perception.engines.model_file import read_model


def arrays(count: int, batch: int = 2) -> dict[str, np.ndarray]:
    return {
        'boxes': np.zeros((count, 4), np.float32),
        'scores': np.full(count, 0.5, np.float32),
        'labels': np.arange(count) % 3,
        'batch_index': np.arange(count) % batch,
        'drivable': np.zeros((batch, 384, 640), np.uint8),
        'lane': np.zeros((batch, 384, 640), np.uint8),
    }


@pytest.mark.parametrize('count', [0, 1, 7])
def test_checked_output__good(tiny_model, count):
    given = arrays(count)
    output = checked_output(read_model(tiny_model), 2, given)
    for name, array in given.items():
        assert getattr(output, name) is array


@pytest.mark.parametrize(
    ('name', 'value', 'words'),
    [
        ('boxes', np.zeros((2, 4), np.float32), r"'boxes' should have shape \(3, 4\)"),
        ('boxes', np.full((3, 4), np.nan, np.float32), "'boxes' holds values that are not finite"),
        ('boxes', np.full((3, 4), np.inf, np.float32), "'boxes' holds"),
        ('scores', np.array([0.1, np.nan, 0.2], np.float32), "'scores' holds"),
        ('labels', np.array([0, 1, 3]), "'labels' leaves the range 0 to 2"),
        ('labels', np.array([0, -1, 2]), "'labels' leaves"),
        ('labels', np.array([0, 1]), r"'labels' should have shape \(3,\)"),
        ('batch_index', np.array([0, 1, 2]), "'batch_index' leaves the range 0 to 1"),
        ('drivable', np.zeros((1, 384, 640), np.uint8), r'\(2, 384, 640\)'),
        ('lane', np.zeros((2, 96, 160), np.uint8), r"'lane' should have shape"),
    ],
)
def test_checked_output__refused(tiny_model, name, value, words):
    with pytest.raises(EngineOutputError, match=words):
        checked_output(read_model(tiny_model), 2, arrays(3) | {name: value})
