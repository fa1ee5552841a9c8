# SPDX-License-Identifier: Apache-2.0
"""Trace the lines of a lane mask as polylines."""

from __future__ import annotations

import cv2
import numpy as np

_MIN_LENGTH = 10  # mask pixels along the traced axis; shorter pieces are specks
_FLAT = 0.075  # of the mask's width; longer horizontal runs belong to a flat line
_SMOOTHING = 7  # rows of the moving average over the centres
_TOLERANCE = 0.6  # mask pixels that a simplified polyline may stray

Runs = tuple[np.ndarray, np.ndarray, np.ndarray]  # row, first column, end column


def lane_polylines(
    mask: np.ndarray, *, scale: tuple[float, float] = (1.0, 1.0)
) -> list[np.ndarray]:
    """
    Trace the centre of each line in a mask.

    Where a line forks, one branch goes on and every other becomes a polyline of its own. Specks
    are ignored.

    Args:
        mask: Array of shape `(H, W)`, uint8, 0 or 255.
        scale: Factors in x and y from mask pixels to the wanted pixels.

    Returns:
        Polylines of shape `(K, 2)`, K >= 2, float32 x y, each from its upper end to its lower end,
        sorted by the x of the lower end. Coordinates are continuous: the centre of mask pixel 0
        is 0.5 (times scale).

    """
    flat = np.zeros_like(mask)
    rows, starts, ends = _runs(mask)
    upright = ends - starts <= max(_MIN_LENGTH, _FLAT * mask.shape[1])
    for row, start, end in np.stack((rows, starts, ends), axis=1)[~upright]:
        flat[row, start:end] = 255
    lines = _trace((rows[upright], starts[upright], ends[upright]), mask.shape[1])
    # A flat line has few rows, but a centre in each of its columns.
    lines += [line[:, ::-1] for line in _trace(_runs(flat.T), mask.shape[0])]
    lines = [line if line[0, 1] <= line[-1, 1] else line[::-1] for line in lines]
    factors = np.array(scale, np.float32)
    lines.sort(key=lambda line: (line[-1, 0], line[-1, 1]))
    return [np.ascontiguousarray(line * factors) for line in lines]


def _runs(mask: np.ndarray) -> Runs:
    """Return every horizontal run of a mask, in reading order."""
    height, width = mask.shape
    padded = np.zeros((height, width + 2), np.uint8)
    padded[:, 1:-1] = mask
    flat = padded.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    rows, columns = np.divmod(edges, width + 2)
    return rows[::2], columns[::2], columns[1::2]


def _trace(runs: Runs, width: int) -> list[np.ndarray]:
    """Follow runs from row to row; return smooth, simple polylines of x y."""
    rows, starts, ends = runs
    centres = np.stack(((starts + ends) / 2, rows + 0.5), axis=1).astype(np.float32)
    return [
        _simplified(_smoothed(centres[chain]))
        for chain in _chains(_links(rows, starts, ends, width))
        if len(chain) >= _MIN_LENGTH
    ]


def _links(rows: np.ndarray, starts: np.ndarray, ends: np.ndarray, width: int) -> np.ndarray:
    """Return for each run the index of the run that continues it in the next row, or -1."""
    upper, lower = _touching(rows * (width + 1), starts, ends, width + 1)
    widths = ends - starts
    wide, narrow = (choose(widths[upper], widths[lower]) for choose in (np.maximum, np.minimum))
    # A line that suddenly gets much wider has run into something else, such as a stop line.
    similar = wide <= 2 * narrow + 4
    upper, lower = upper[similar], lower[similar]
    shift = np.abs(starts[upper] + ends[upper] - starts[lower] - ends[lower])

    # The nearest candidate is written last; a link counts if both of its runs chose it.
    nearest_last = np.argsort(-shift, kind='stable')
    upper, lower = upper[nearest_last], lower[nearest_last]
    continued_by = np.full(len(rows), -1)
    continues = np.full(len(rows), -1)
    continued_by[upper] = lower
    continues[lower] = upper
    mutual = (continued_by >= 0) & (continues[continued_by] == np.arange(len(rows)))
    return np.where(mutual, continued_by, -1)


def _touching(
    offsets: np.ndarray, starts: np.ndarray, ends: np.ndarray, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of runs that touch, also by a corner, in one row and the next."""
    # Runs in reading order are sorted by start and by end, so those below lie side by side.
    first = np.searchsorted(offsets + ends, offsets + stride + starts, 'left')
    last = np.searchsorted(offsets + starts, offsets + stride + ends, 'right')
    counts = last - first
    upper = np.repeat(np.arange(len(starts)), counts)
    place = np.arange(len(upper)) - np.repeat(np.cumsum(counts) - counts, counts)
    return upper, np.repeat(first, counts) + place


def _chains(links: np.ndarray) -> list[list[int]]:
    """Collect the runs that continue each other, from top to bottom."""
    has_next = links >= 0
    heads = has_next.copy()
    heads[links[has_next]] = False
    following = links.tolist()
    chains = []
    for run in np.flatnonzero(heads).tolist():
        chain = []
        while run >= 0:
            chain.append(run)
            run = following[run]
        chains.append(chain)
    return chains


def _smoothed(line: np.ndarray) -> np.ndarray:
    """Average the x of a line over neighbouring rows; its ends stay where they are."""
    half = _SMOOTHING // 2
    x = line[:, 0]
    # Mirroring through the end points keeps the slope of the line at its ends.
    padded = np.concatenate((2 * x[0] - x[half:0:-1], x, 2 * x[-1] - x[-2 : -2 - half : -1]))
    smooth = np.convolve(padded, np.full(_SMOOTHING, 1 / _SMOOTHING, np.float32), 'valid')
    return np.stack((smooth, line[:, 1]), axis=1)


def _simplified(line: np.ndarray) -> np.ndarray:
    return cv2.approxPolyDP(line[:, None], _TOLERANCE, closed=False)[:, 0]
