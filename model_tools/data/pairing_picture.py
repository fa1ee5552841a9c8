# SPDX-License-Identifier: Apache-2.0
"""A picture that explains how the edges of painted lines become the lane mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model_tools.data.bdd_labels import ImageLabels, LabelledObject, Polyline
from model_tools.data.lane_drawing import draw_lanes, lane_edges
from model_tools.data.lane_pairing import Edge, centre_line, pair_markings
from model_tools.data.polylines import STEP_PX, project, subdivide
from model_tools.data.problems import Problems

_WH = (1280, 720)
_FOCAL_PX, _HORIZON, _CAMERA_M = 1000.0, 330.0, 1.3
_BEND = 0.0011
"""The road at z metres ahead lies this much times z squared to the right."""
_ASPHALT, _GRASS, _SKY = (92, 94, 98), (104, 124, 84), (188, 206, 222)
_PAIRS = ('#ff5d5d', '#35d0ff', '#ffd23f', '#7dff6a', '#ff8af0', '#ffa14a', '#9fb4ff')
_ALONE, _CENTRE = '#ff2ad4', 'white'
_VIEW = (0, 1280, 720, 250)
"""x1 x2 y1 y2 of what is shown."""
_ZOOM = (90, 362, 710, 610)
"""Of what is shown larger: the double line."""
_REMARKS = (
    ('from here on\none edge alone', (200, 300), (254, 419)),
    ('a kerb is\nno lane line', (1170, 300), (1010, 378)),
    ('one edge marked:\ndrawn as it is', (1155, 555), (1180, 464)),
    ('stop line', (880, 400), (900, 445)),
)
"""Text, where it is written, what it points at."""


def draw_picture(path: Path) -> None:
    """Draw a road with its labels, the pairs found among them, and the masks that result."""
    labels = _labels()
    problems = Problems(1)
    edges = lane_edges(labels, problems)
    pairs = pair_markings(edges, _WH[1])
    scene = _scene(edges, pairs)
    masks = {w: draw_lanes(labels, _WH, width=w, problems=problems) for w in (2, 8)}
    figure = Figure(figsize=(18, 11.2), layout='constrained')
    left, right = figure.subplots(3, 2).T
    _show(left[0], scene, '1. As labelled: edges of paint, in no order')
    for edge in edges:
        left[0].plot(*edge.points.T, color='#35d0ff', lw=1.5, marker='.', ms=4)
    _show(right[0], scene, '2. Pairs, one colour each, and the line midway in white')
    _draw_pairs(right[0], edges, pairs)
    _show(left[1], scene, '3. A double line: the pairs worth most in total', zoom=True)
    _draw_pairs(left[1], edges, pairs, steps=True)
    both = np.where(masks[8] > 0, 110, 0) + np.where(masks[2] > 0, 145, 0)
    both = np.repeat(both[..., None], 3, axis=2)
    _show(right[1], both, '4. Its mask: 2 px (white), 8 px (grey)', zoom=True)
    for column, width, use in ((left, 2, 'to test'), (right, 8, 'to train')):
        number = 5 if width == 2 else 6
        _show(column[2], _over(scene, masks[width]), f'{number}. Drawn {width} px wide, {use}')
    for text, at, to in _REMARKS:
        right[0].annotate(
            text, to, at, color='white', fontsize=14, ha='center', va='center',
            bbox={'color': '#303236', 'boxstyle': 'round'},
            arrowprops={'arrowstyle': '->', 'color': 'white', 'lw': 1.5},
        )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


def _labels() -> ImageLabels:
    """Return what an annotator would mark on the road: places in metres from the camera's path."""
    double, white = 'lane/double yellow', 'lane/single white'
    yellow = [_along(double, x, 3.2, 60) for x in (-1.95, -1.83, -1.73, -1.61)]
    dashes = [
        _along(white, x, begin, begin + 3, style='dashed')
        for begin in (4, 10.5, 17, 23.5)
        for x in (1.66, 1.8)
    ]
    border = [_along(white, -5.4, 6.2, 14), _along(white, -5.25, 5.6, 60, reverse=True)]
    single = [_along(white, 5.3, 6.5, 60)]
    stop = [_across(white, z, 2.05, 5.1) for z in (11.0, 11.7)]
    kerb = [_along('lane/road curb', 7.2, 9, 60)]
    return ImageLabels('drawn', {}, (*yellow, *dashes, *border, *single, *stop, *kerb))


def _along(
    category: str,
    across_m: float,
    near_m: float,
    far_m: float,
    *,
    style: str = 'solid',
    reverse: bool = False,
) -> LabelledObject:
    depth = 1 / np.linspace(1 / near_m, 1 / far_m, 12)  # even in rows
    points = _seen(across_m + _BEND * depth**2, depth)
    return _object(category, 'parallel', style, points[::-1] if reverse else points)


def _across(category: str, depth_m: float, left_m: float, right_m: float) -> LabelledObject:
    x = np.array((left_m, right_m)) + _BEND * depth_m**2
    return _object(category, 'vertical', 'solid', _seen(x, np.full(2, depth_m)))


def _object(category: str, direction: str, style: str, points: np.ndarray) -> LabelledObject:
    line = Polyline(points, 'L' * len(points), closed=False)
    return LabelledObject(category, None, (line,), {'direction': direction, 'style': style})


def _seen(x_m: np.ndarray, depth_m: np.ndarray) -> np.ndarray:
    """Project places on the road (K,) to pixels (K, 2)."""
    scale = _FOCAL_PX / depth_m
    return np.column_stack((_WH[0] / 2 + x_m * scale, _HORIZON + _CAMERA_M * scale))


def _scene(edges: list[Edge], pairs: list[tuple[int, int]]) -> np.ndarray:
    """Paint sky, grass, road and, between the edges of each pair, paint."""
    import cv2

    image = np.full((_WH[1], _WH[0], 3), _GRASS, np.uint8)
    image[: int(_HORIZON)] = _SKY
    depth = 1 / np.linspace(1 / 2.5, 1 / 400, 200)
    sides = [_seen(x + _BEND * np.minimum(depth, 120) ** 2, depth) for x in (-6.2, 7.2)]
    cv2.fillPoly(image, [np.rint(np.vstack((sides[0], sides[1][::-1]))).astype(int)], _ASPHALT)
    for i, j in pairs:
        first, second = edges[i].points, edges[j].points
        if (first[-1] - first[0]) @ (second[-1] - second[0]) > 0:
            second = second[::-1]
        colour = (222, 190, 90) if 'yellow' in edges[i].kind[0] else (226, 226, 222)
        cv2.fillPoly(image, [np.rint(np.vstack((first, second))).astype(int)], colour)
    return image


def _draw_pairs(
    axes: Axes, edges: list[Edge], pairs: list[tuple[int, int]], *, steps: bool = False
) -> None:
    """Draw the edges of each pair in its colour and the line midway; others dashed."""
    width = 2.4 if steps else 1.4
    for number, (i, j) in enumerate(pairs):
        colour = _PAIRS[number % len(_PAIRS)]
        for edge in (edges[i], edges[j]):
            axes.plot(*edge.points.T, color=colour, lw=width)
        if steps:
            points = subdivide(edges[i].points, 4 * STEP_PX)
            places, _ = project(points, edges[j].points)
            axes.plot(
                np.column_stack((points[:, 0], places[:, 0])).T,
                np.column_stack((points[:, 1], places[:, 1])).T,
                color=colour,
                lw=0.8,
            )
        line = centre_line(edges[i].points, edges[j].points, _WH[1])
        axes.plot(*line.T, color=_CENTRE, lw=width)
    paired = {index for pair in pairs for index in pair}
    for index, edge in enumerate(edges):
        if index not in paired:
            axes.plot(*edge.points.T, color=_ALONE, lw=2, ls='--')


def _over(scene: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return a darkened scene with the mask in it."""
    image = (scene * 0.45).astype(np.uint8)
    image[mask > 0] = (80, 255, 120)
    return image


def _show(axes: Axes, image: np.ndarray, title: str, *, zoom: bool = False) -> None:
    axes.imshow(image, extent=(0, _WH[0], _WH[1], 0), interpolation='nearest')
    axes.set_title(title, fontsize=15)
    axes.set_xticks([])
    axes.set_yticks([])
    x1, x2, y1, y2 = _ZOOM if zoom else _VIEW
    axes.set_xlim(x1, x2)
    axes.set_ylim(y1, y2)
