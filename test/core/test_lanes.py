# SPDX-License-Identifier: Apache-2.0
"""Straight, curved, flat, forked and dirty lines."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from panoptic_perception.core.lanes import lane_polylines


def empty() -> np.ndarray:
    return np.zeros((360, 640), np.uint8)


def drawn(*lines, width: int = 5) -> np.ndarray:
    mask = empty()
    for points in lines:
        cv2.polylines(mask, [np.int32(points)], False, 255, width)
    return mask


def sampled(line: np.ndarray) -> np.ndarray:
    """Return 50 points along a polyline, without its ends, which round line caps bend."""
    lengths = np.append(0, np.linalg.norm(np.diff(line, axis=0), axis=1).cumsum())
    places = np.linspace(0.05, 0.95, 50) * lengths[-1]
    return np.stack([np.interp(places, lengths, line[:, axis]) for axis in range(2)], axis=1)


def largest_distance(points: np.ndarray, line) -> float:
    """Return how far points stray from a drawn line, whose pixel centres are whole, in pixels."""
    contour = np.float32(line)[:, None]
    there_and_back = np.concatenate((contour, contour[::-1]))
    return max(
        abs(cv2.pointPolygonTest(there_and_back, (float(x) - 0.5, float(y) - 0.5), True))
        for x, y in points
    )


def speckled() -> np.ndarray:
    mask = empty()
    mask[::9, ::7] = 255
    mask[100:108, 50:58] = 255
    return mask


@pytest.mark.parametrize(
    'mask',
    [empty(), np.zeros((1, 1), np.uint8), np.zeros((1, 640), np.uint8), speckled()],
    ids=['empty', 'one pixel', 'one row', 'specks'],
)
def test_lane_polylines__nothing_to_find(mask):
    assert lane_polylines(mask) == []


def test_lane_polylines__upright_bar_by_hand():
    mask = empty()
    mask[100:200, 30:34] = 255
    (line,) = lane_polylines(mask)
    assert line.dtype == np.float32
    assert line.tolist() == [[32, 100.5], [32, 199.5]]
    (scaled,) = lane_polylines(mask, scale=(2, 3))
    assert scaled.tolist() == [[64, 301.5], [64, 598.5]]


def test_lane_polylines__flat_bar_by_hand():
    mask = empty()
    mask[300:304, 100:200] = 255
    (line,) = lane_polylines(mask)
    assert sorted(line.tolist()) == [[100.5, 302], [199.5, 302]]


CURVE = [(400 + 120 * np.sin(t / 90), 100 + t) for t in range(250)]


@pytest.mark.parametrize(
    'points',
    [
        [(320, 150), (250, 350)],
        [(320, 150), (600, 350)],
        [(20, 150), (620, 300)],
        [(100, 200), (500, 210)],
        [(600, 40), (30, 60)],
        CURVE,
    ],
    ids=['steep', 'slanted', 'shallow', 'flat', 'flat left', 'curve'],
)
def test_lane_polylines__follows_one_line(points):
    (line,) = lane_polylines(drawn(points))
    assert len(line) >= 2
    assert line[0, 1] <= line[-1, 1]
    assert largest_distance(sampled(line), points) < 1.5
    length = np.linalg.norm(np.diff(line, axis=0), axis=1).sum()
    wanted = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    assert 0.9 * wanted < length < 1.05 * wanted


def test_lane_polylines__is_simple():
    (line,) = lane_polylines(drawn([(320, 150), (250, 350)]))
    assert len(line) <= 4


def test_lane_polylines__sorted_by_lower_end():
    lines = lane_polylines(
        drawn([(330, 160), (560, 350)], [(310, 160), (80, 350)], [(320, 160), (320, 350)])
    )
    assert [round(float(line[-1, 0]), -1) for line in lines] == [80, 320, 560]


def test_lane_polylines__dashes_stay_apart():
    dashes = [[(200, y), (190, y + 20)] for y in range(100, 340, 40)]
    assert len(lane_polylines(drawn(*dashes))) == len(dashes)


def test_lane_polylines__fork_covers_trunk_and_branch():
    trunk, branch = [(100, 50), (100, 300)], [(100, 150), (220, 290)]
    mask = drawn(trunk, branch)
    lines = lane_polylines(mask)
    assert len(lines) == 2
    uncovered = mask.copy()
    for line in lines:
        cv2.polylines(uncovered, [np.int32(line)], False, 0, 11)
    assert np.count_nonzero(uncovered) < 0.02 * np.count_nonzero(mask)


def test_lane_polylines__lines_that_meet_stay_apart_below():
    fan = [[(320, 120), (x, 350)] for x in (80, 250, 390, 560)]
    lines = lane_polylines(drawn(*fan))
    long_ones = [line for line in lines if np.ptp(line[:, 1]) > 150]
    assert len(long_ones) == 4
    for line, points in zip(long_ones, fan, strict=True):
        assert largest_distance(sampled(line), points) < 1.5


def test_lane_polylines__stop_line_does_not_bend_lanes():
    lanes = [[(250, 100), (150, 350)], [(390, 100), (490, 350)]]
    stop_line = [(100, 280), (560, 280)]
    for line in lane_polylines(drawn(*lanes, stop_line)):
        strays = [largest_distance(sampled(line), points) for points in (*lanes, stop_line)]
        assert min(strays) < 3


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1), blur=st.integers(0, 4))
def test_lane_polylines__any_mask(seed, share, blur):
    noise = np.random.default_rng(seed).random((72, 128), np.float32)
    if blur:
        noise = cv2.GaussianBlur(noise, (2 * blur + 1, 2 * blur + 1), 0)
    mask = np.where(noise < share, 255, 0).astype(np.uint8)
    before = mask.copy()
    for line in lane_polylines(mask):
        assert line.shape[0] >= 2
        assert line.shape[1] == 2
        assert line[0, 1] <= line[-1, 1]
        assert (line >= -2).all()
        assert (line <= [130, 74]).all()
    np.testing.assert_array_equal(mask, before)


def test_lane_polylines__is_fast():
    mask = drawn(*([(320, 150), (x, 359)] for x in range(-300, 960, 200)), CURVE)
    times = []
    for _ in range(20):
        start = time.process_time()
        lane_polylines(mask)
        times.append(time.process_time() - start)
    assert min(times) < 0.004
