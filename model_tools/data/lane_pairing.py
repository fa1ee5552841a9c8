# SPDX-License-Identifier: Apache-2.0
"""
Find the two edges of each painted line and put its centre line between them.

BDD100K marks most painted lines by both their edges, in no order, and says nowhere which belong
together. The literature draws the centre line (Hou et al., "Learning Lightweight Lane Detection
CNNs by Self Attention Distillation", 2019) and never published how it pairs. This is our rule:

1. Two edges may be a pair if they have the same category and direction, if their directions
   differ by at most MAX_ANGLE_DEG where they run side by side, if that is at least MIN_OVERLAP
   of the shorter one, and if there the mean of distance / limit is below 1. The limit grows with
   the image row, because a near line is wider: LIMIT_PX. The style (solid, dashed) is not
   compared: both edges of one line share it, and where they do not, someone slipped.
2. A pair is worth 1 - that mean, and each edge has at most one partner. Of all ways to pair, the
   one worth most in total is taken (a maximum weight matching). So the four edges of a double
   line give its two lines, even where the gap is narrower than the paint.
3. The centre line is the mean of each place on the shorter edge and the closest place on the
   other, from midway between the ends of the two to the same at the other end. Where only one
   edge goes on, by more than twice the width, it does so by itself, moved over by half the width
   last seen, which shrinks or grows with the limit.
4. An edge without a partner is a line by itself.

Only sets of lines matter: neither the order of edges nor the order of their points does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import networkx as nx
import numpy as np

from model_tools.data.polylines import STEP_PX, length, project, resample, subdivide

LIMIT_PX = (8.0, 48.0)
"""Largest distance of a pair, at 720 rows: in the upper half, where lines run together, and at
the bottom, from where it falls evenly to the middle row. Paint is 10 to 30 cm wide: at 1.3 m
camera height 0.08 to 0.23 px for each row below the horizon, measured level; the limit is 0.11
plus 8 px, measured across, where the lines beside the own lane are 0.6 times as wide. The next
lane is ten widths away."""
MAX_ANGLE_DEG = 15.0
"""The edges of a line of 30 cm right under such a camera meet at 13 degrees."""
MIN_OVERLAP = 0.5
_ASKEW = 2.0
"""Widths by which an edge may stand out where paint is cut off square on the road."""
_PROBES = 24
"""Places at which two edges are compared; their shapes have no finer detail."""
_BLOCK = 4096
"""Pairs that are compared at a time, in 20 MB an array; most images have fewer."""


@dataclass(frozen=True, eq=False)
class Edge:
    """A labelled line: one edge of a painted line, or the only line that marks it."""

    kind: tuple[str, str]
    """Category and direction."""
    points: np.ndarray
    """(K, 2) pixels, at least two different ones."""


def pair_markings(edges: Sequence[Edge], height: int) -> list[tuple[int, int]]:
    """Return the pairs of edges, as sorted indices, in an image of `height` rows."""
    pairs = [
        (i, j) for i, j in combinations(range(len(edges)), 2) if edges[i].kind == edges[j].kind
    ]
    lines = [edge.points for edge in edges]
    graph = nx.Graph()
    for start in range(0, len(pairs), _BLOCK):
        block = pairs[start : start + _BLOCK]
        worth = _worth(lines, block, height)
        graph.add_weighted_edges_from(
            (i, j, float(value)) for (i, j), value in zip(block, worth, strict=True) if value > 0
        )
    return sorted((min(pair), max(pair)) for pair in nx.max_weight_matching(graph))


def centre_lines(edges: Sequence[Edge], height: int) -> list[np.ndarray]:
    """Return the line (K, 2) of each pair, and that of each edge without a partner."""
    edges = sorted((_upwards(edge) for edge in edges), key=lambda edge: edge.points.tolist())
    pairs = pair_markings(edges, height)
    paired = {index for pair in pairs for index in pair}
    lines = [centre_line(edges[i].points, edges[j].points, height) for i, j in pairs]
    return lines + [edge.points for i, edge in enumerate(edges) if i not in paired]


def centre_line(first: np.ndarray, second: np.ndarray, height: int) -> np.ndarray:
    """Return the line (K, 2) midway between two edges that run side by side."""
    short, long = sorted((first, second), key=length)
    if (short[-1] - short[0]) @ (long[-1] - long[0]) < 0:
        short = short[::-1]
    heads, tails = [], []
    for edge, other in ((long, short), (short, long)):
        points = subdivide(edge, STEP_PX)
        places, beside = project(points, other)
        if not beside.any():  # the other is a speck: take it for all there is
            beside[:] = True
        begin, end = np.flatnonzero(beside)[[0, -1]]
        half = (places - points) / 2
        heads.append(_alone(points[begin::-1], half[begin], height)[::-1])
        tails.append(_alone(points[end:], half[end], height))
    middle = (points + half)[begin : end + 1]
    head, tail = max(heads, key=len), max(tails, key=len)
    return np.concatenate((
        head if len(head) else [(short[0] + long[0]) / 2],
        middle,
        tail if len(tail) else [(short[-1] + long[-1]) / 2],
    ))  # fmt: skip


def distance_limit(rows: np.ndarray, height: int) -> np.ndarray:
    """Return the largest distance of a pair, in pixels, at rows of an image of `height` rows."""
    far, near = LIMIT_PX
    below = np.clip(2 * rows / height - 1, 0, 1)
    return (far + below * (near - far)) * height / 720


def _worth(
    lines: Sequence[np.ndarray], pairs: Sequence[tuple[int, int]], height: int
) -> np.ndarray:
    """Return for each pair (P,) 1 - the mean of distance / limit, or 0 if it cannot be one."""
    probes = np.stack([resample(line, _PROBES) for line in lines])
    lengths = np.array([length(line) for line in lines])
    first, second = np.array(pairs).T
    swapped = lengths[second] < lengths[first]
    short, long = np.where(swapped, second, first), np.where(swapped, first, second)
    points = probes[short]
    places, beside = project(points, probes[long])
    rows = np.arange(len(pairs))
    begin, end = beside.argmax(axis=1), _PROBES - 1 - beside[:, ::-1].argmax(axis=1)
    along, other = (line[rows, end] - line[rows, begin] for line in (points, places))
    norms = np.linalg.norm(along, axis=1) * np.linalg.norm(other, axis=1)
    cosine = np.abs((along * other).sum(axis=1)) / np.maximum(norms, 1e-9)
    share = np.linalg.norm(points - places, axis=2) / distance_limit(
        (points + places)[..., 1] / 2, height
    )
    mean = (share * beside).sum(axis=1) / np.maximum(beside.sum(axis=1), 1)
    possible = (
        (beside.sum(axis=1) >= max(2, MIN_OVERLAP * _PROBES))
        & (cosine >= np.cos(np.radians(MAX_ANGLE_DEG)))
        & (mean < 1)
    )
    return np.where(possible, 1 - mean, 0.0)


def _alone(points: np.ndarray, half: np.ndarray, height: int) -> np.ndarray:
    """Move points over by `half`, which is right for the first; (0, 2) if they only end askew."""
    if length(points) <= _ASKEW * 2 * np.linalg.norm(half):
        return points[:0]
    limits = distance_limit(points[:, 1], height)
    return (points + (limits / limits[0])[:, None] * half)[1:]


def _upwards(edge: Edge) -> Edge:
    """Return the edge with its lower (then left) end first."""
    begin, end = edge.points[0], edge.points[-1]
    if (-begin[1], begin[0]) <= (-end[1], end[0]):
        return edge
    return Edge(edge.kind, edge.points[::-1])
