# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_tools.evaluation.experts.fitting import (
    FITS,
    CornerLetterbox,
    Fitter,
    InputFormat,
    Stretch,
)

SIDE = st.integers(1, 300)


@pytest.mark.parametrize(
    ('fit', 'source_wh', 'content_wh', 'pad'),
    [
        ('letterbox', (1280, 720), (64, 36), (0, 2)),
        ('corner letterbox', (1280, 720), (64, 36), (0, 0)),
        ('corner letterbox', (100, 400), (10, 40), (0, 0)),
        ('stretch', (1280, 720), (64, 40), (0, 0)),
    ],
)
def test_fits(fit, source_wh, content_wh, pad):
    letterbox = FITS[fit](source_wh, (64, 40))
    assert (letterbox.content_wh, letterbox.pad) == (content_wh, pad)


@pytest.mark.parametrize('fit', [CornerLetterbox, Stretch])
@given(source_wh=st.tuples(SIDE, SIDE), network_wh=st.tuples(SIDE, SIDE))
def test_fits__boxes_there_and_back(fit, source_wh, network_wh):
    letterbox = fit(source_wh, network_wh)
    width, height = source_wh
    box = np.float32([[0, 0, width, height], [width / 4, height / 4, width / 2, height]])
    network = letterbox.boxes_to_network(box)
    assert (network[0] <= np.float32([*network_wh] * 2) + 1e-3).all()
    np.testing.assert_allclose(letterbox.boxes_to_source(network), box, atol=1e-2)


def test_fitter__bars_and_channels():
    form = InputFormat('corner letterbox', 'RGB', rgb=True, mean=(1, 2, 3), std=(2, 4, 8))
    blob, letterbox = Fitter(form, (4, 4))(np.full((2, 4, 3), (10, 20, 30), np.uint8))
    assert (blob.shape, blob.dtype) == ((1, 3, 4, 4), np.float32)
    # Red 30, green 20, blue 10; below them the bar of 114.
    np.testing.assert_allclose(blob[0, :, 0, 0], [(30 - 1) / 2, (20 - 2) / 4, (10 - 3) / 8])
    np.testing.assert_allclose(blob[0, :, 3, 0], [113 / 2, 112 / 4, 111 / 8])
    assert letterbox.content_wh == (4, 2)


def test_fitter__answers_do_not_share_memory():
    fitter = Fitter(InputFormat('stretch', 'BGR'), (4, 2))
    first, _ = fitter(np.zeros((2, 4, 3), np.uint8))
    fitter(np.full((5, 3, 3), 9, np.uint8))
    assert first.max() == 0
