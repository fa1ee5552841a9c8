# SPDX-License-Identifier: Apache-2.0
"""Labelled lines as points: cubic Beziers sampled, broken ones dropped and counted."""

from __future__ import annotations

import numpy as np

from model_tools.data.bdd_labels import Polyline
from model_tools.data.problems import Problems

STEP_PX = 4.0
"""A chord this long leaves a curve of 50 px radius by 0.04 px."""
_FAR_PX = 1e5
"""No label is that far from its image; farther ones are refused rather than drawn."""
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


def resample(points: np.ndarray, step_px: float) -> np.ndarray:
    """Return points (K, 2) on a line, evenly spaced by at most `step_px`, both ends among them."""
    along = np.concatenate(([0.0], np.linalg.norm(np.diff(points, axis=0), axis=1).cumsum()))
    count = max(1, int(np.ceil(along[-1] / step_px)))
    places = np.linspace(0.0, along[-1], count + 1)
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
    Return the closest places (K, 2) on a line to points (K, 2), and which points lie beside it.

    A point is beside the line (K,) if its closest place is not the end that it lies beyond.
    """
    start, along = line[:-1], np.diff(line, axis=0)
    squared = np.maximum((along**2).sum(axis=1), np.finfo(float).tiny)
    share = ((points[:, None] - start) * along).sum(axis=2) / squared
    places = start + share.clip(0, 1)[..., None] * along
    rows = np.arange(len(points))
    nearest = ((points[:, None] - places) ** 2).sum(axis=2).argmin(axis=1)
    share = share[rows, nearest]
    before = (nearest == 0) & (share < -_SLACK)
    after = (nearest == len(along) - 1) & (share > 1 + _SLACK)
    return places[rows, nearest], ~(before | after)


def _bezier(controls: np.ndarray, step_px: float) -> np.ndarray:
    """Sample a cubic Bezier of controls (4, 2) evenly in its parameter, without its start."""
    count = max(1, int(np.ceil(length(controls) / step_px)))
    t = np.linspace(0.0, 1.0, count + 1)[1:, None]
    s = 1.0 - t
    weights = np.hstack((s**3, 3 * s**2 * t, 3 * s * t**2, t**3))
    return weights @ controls
