# SPDX-License-Identifier: Apache-2.0
"""Labelled lines as points: cubic Beziers sampled, broken ones dropped and counted."""

from __future__ import annotations

import numpy as np

from model_tools.data.bdd_labels import Polyline
from model_tools.data.problems import Problems

STEP_PX = 8.0
"""A chord this long leaves a curve of 50 px radius by 0.16 px, most lines by a tenth of that."""
_FAR_PX = 1e4
"""No label is that far from its image; farther ones are refused, as to pair them takes minutes
and gigabytes."""
_SLACK = 1e-9
"""Rounding must not push the end of a line past the end of an equal one."""
_EMPTY = np.empty((0, 2))


def flatten(
    polyline: Polyline, *, problems: Problems, where: str, step_px: float = STEP_PX
) -> np.ndarray:
    """
    Return the points (K, 2) of a line or an outline, in pixels; a closed one ends where it starts.

    The letters are read as BDD100K's own drawing code reads them: the first says nothing, and a
    'C' opens a group of two control points and an end point, whatever the letter of that end. So
    'LCCC', 'LCCL' and 'CCCL', all found in its files, are the same curve. A group that is not
    complete makes the whole line a straight-edged one; a line of fewer than two different points
    (an outline: three), or with a vertex that is no pixel position, is dropped: (0, 2). Both are
    noted in `problems`, as of the file `where`.
    """
    vertices, types = polyline.vertices, polyline.types
    least = 3 if polyline.closed else 2
    if not (np.abs(vertices) <= _FAR_PX).all():
        problems.note('wild_polyline', f"'{where}': a vertex is no position in an image; dropped")
        return _EMPTY
    if len(np.unique(vertices, axis=0)) < least:
        problems.note(
            'short_polyline',
            f"'{where}': a polyline needs {least} points, found {len(vertices)}; dropped",
        )
        return _EMPTY
    if polyline.closed:
        vertices, types = np.concatenate((vertices, vertices[:1])), f'{types}L'
    pieces = [vertices[:1]]
    i = 1
    while i < len(vertices):
        if types[i] == 'L':
            pieces.append(vertices[i : i + 1])
            i += 1
        elif types[i : i + 2] == 'CC' and i + 2 < len(vertices):
            pieces.append(_bezier(vertices[i - 1 : i + 3], step_px))
            i += 3
        else:
            problems.note(
                'bad_bezier',
                f"'{where}': expected control points in groups of three, found "
                f"'{polyline.types}'; drawn with straight edges",
            )
            return vertices
    return np.concatenate(pieces)


def length(points: np.ndarray) -> float:
    """Return the length of a line of points (K, 2)."""
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def resample(points: np.ndarray, count: int) -> np.ndarray:
    """Return `count` points (count, 2), evenly spaced along a line, both its ends among them."""
    along = np.concatenate(([0.0], np.linalg.norm(np.diff(points, axis=0), axis=1).cumsum()))
    places = np.linspace(0.0, along[-1], count)
    return np.column_stack([np.interp(places, along, column) for column in points.T])


def subdivide(points: np.ndarray, step_px: float) -> np.ndarray:
    """Return the points (K, 2) of a line with more between them: none farther than `step_px`."""
    along = np.diff(points, axis=0)
    counts = np.maximum(1, np.ceil(np.linalg.norm(along, axis=1) / step_px)).astype(int)
    piece = np.repeat(np.arange(len(along)), counts)
    share = (np.arange(len(piece)) - (counts.cumsum() - counts)[piece]) / counts[piece]
    return np.concatenate((points[piece] + share[:, None] * along[piece], points[-1:]))


def project(points: np.ndarray, line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Return the closest places (..., K, 2) on lines to points, and which points lie beside them.

    A point is beside its line (..., K) if its closest place is not the end that it lies beyond.

    Args:
        points: Points (..., K, 2).
        line: Lines (..., L, 2); leading dimensions are those of the points.

    """
    start, along = line[..., :-1, :], np.diff(line, axis=-2)
    squared = np.maximum((along**2).sum(axis=-1), np.finfo(float).tiny)
    # Of each point (row) from the start of each piece of its line (column).
    x, y = np.moveaxis(points[..., :, None, :] - start[..., None, :, :], -1, 0)
    dx, dy = np.moveaxis(along[..., None, :, :], -1, 0)
    share = (x * dx + y * dy) / squared[..., None, :]
    on = share.clip(0, 1)
    nearest = ((x - on * dx) ** 2 + (y - on * dy) ** 2).argmin(axis=-1)[..., None]
    piece = [np.take_along_axis(values, nearest, axis=-2) for values in (start, along)]
    places = piece[0] + np.take_along_axis(on, nearest, axis=-1) * piece[1]
    share = np.take_along_axis(share, nearest, axis=-1)
    before = (nearest == 0) & (share < -_SLACK)
    after = (nearest == along.shape[-2] - 1) & (share > 1 + _SLACK)
    return places, ~(before | after)[..., 0]


def _bezier(controls: np.ndarray, step_px: float) -> np.ndarray:
    """Sample a cubic Bezier of controls (4, 2) evenly in its parameter, without its start."""
    count = max(1, int(np.ceil(length(controls) / step_px)))
    t = np.linspace(0.0, 1.0, count + 1)[1:, None]
    s = 1.0 - t
    weights = np.hstack((s**3, 3 * s**2 * t, 3 * s * t**2, t**3))
    return weights @ controls
