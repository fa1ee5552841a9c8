# SPDX-License-Identifier: Apache-2.0
"""The look and the labels of the ground: asphalt, paint, kerbs, paving and grass.

All patterns are functions of road coordinates. They are kept as tables that were blurred for
growing pixel footprints, so a far line fades as in a camera instead of flickering.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .ground import REACH_M, Ground
from .layout import Layout
from .road import Road
from .textures import COARSE_PX_PER_M, FINE_PX_PER_M, coarse_tile, fine_tile, to_bytes

_ACROSS_M, _ALONG_M, _BESIDE_M = 0.02, 0.05, 0.04  # bin sizes of the tables
_FINEST_M, _LEVELS = 0.005, 11  # footprint of level 0; each level doubles it
_CORNER_M = 5.0
_FAINTEST = 0.15  # share of a pixel that a line fills at least to get a label
LAMP_SPACING_M = 30.0
_STRETCH_M = 900.0

_ASPHALT, _TURF, _SLABS, _WEAR = range(4)  # channels of the texture tiles
_STRENGTHS = np.array([0.9, 0.86, 0.55], np.float32) / 255

# Colour (blue, green, red) and texture of each material.
_MATERIALS = {
    'gravel': ((105, 122, 132), _ASPHALT),
    'kerb': ((150, 156, 158), _SLABS),
    'paving': ((128, 134, 138), _SLABS),
    'grass': ((42, 92, 78), _TURF),
}


@dataclass(frozen=True)
class Paint:
    """Colours (rows, width, 3) float32 of the lit-neutral ground, and its label planes."""

    colour: np.ndarray
    paved: np.ndarray
    lane: np.ndarray


@dataclass(frozen=True)
class Spots:
    """Pixels that may show paint: rows and columns, table and road coordinates, (n,) each."""

    y: np.ndarray
    x: np.ndarray
    across: np.ndarray
    level: np.ndarray
    ahead: np.ndarray
    d: np.ndarray


class Surface:
    """The ground of one drive."""

    def __init__(self, rng: np.random.Generator, road: Road, *, wet: bool) -> None:
        self._road = road
        layout = road.layout
        lo, hi = layout.edges
        self._d0 = lo - 1.0
        self._wear = float(rng.uniform(0.1, 0.75))
        self._strengths = _STRENGTHS * np.array([rng.uniform(0.45, 1.05), 1.0, 1.0], np.float32)
        self._across = _levels(_across_table(layout, self._d0, hi + 1.0), _ACROSS_M)
        self._labels = _label_table(layout, self._d0, hi + 1.0)
        self._along: dict[int, np.ndarray] = {}
        grey = rng.uniform(62, 128)
        asphalt = grey * np.array([1.0, 1.0, 1.0]) + rng.normal(0, 3, 3)
        if wet:
            asphalt *= 0.68
        season = rng.uniform([-6, -22, -12], [8, 22, 42])
        colours, self._kinds = _beside_tables(layout, asphalt, season)
        self._colours = _levels(colours, _BESIDE_M)
        self._white = np.array([222, 226, 228], np.float32) * np.float32(rng.uniform(0.86, 1.06))
        self._yellow = np.array([62, 178, 226], np.float32) * np.float32(rng.uniform(0.85, 1.05))

    def paint(
        self, ground: Ground, *, s_camera: float, d_camera: float, focal: float, height: float
    ) -> Paint:
        """Colour the ground that a camera `height` metres above the place (s, d) of it sees."""
        ahead, d = ground.ahead, ground.d
        # Seen from aside, a line gets thinner in the picture than its width and distance tell.
        aside = (d - np.float32(d_camera)) * np.float32(1 / height)
        steep = cv2.magnitude(np.ones_like(d), aside)
        level = cv2.log(ahead * steep) * _PER_OCTAVE - np.float32(np.log2(focal * _FINEST_M))
        level = cv2.max(level, 0.0)  # there is no finer table
        across_x = (d - np.float32(self._d0)) * np.float32(1 / _ACROSS_M)
        lines = cv2.remap(self._across, across_x, level, cv2.INTER_LINEAR)
        beyond = self._beyond_edge(ground, s_camera)
        colour, detail = self._materials(beyond, level, ahead, d, s_camera)
        gain = 1 + detail - lines[..., 3] * np.float32(0.24 / 255)
        colour = cv2.multiply(colour, cv2.merge([gain] * 3), dtype=cv2.CV_32F)

        inside = (beyond < 0) & ground.visible
        some = lines[..., 0] | lines[..., 1] > 2
        some[self._rows_with_bars(ahead, s_camera)] = True
        y, x = np.nonzero(inside & some)
        at = Spots(y, x, across_x[y, x], level[y, x], ahead[y, x], d[y, x])
        along_level = np.float32(np.log2(focal * height * _FINEST_M))
        lane = np.zeros(inside.shape, bool)
        lane[y, x] = self._add_paint(colour, at, lines[y, x], s_camera, along_level)
        return Paint(colour, inside, lane)

    def _add_paint(
        self,
        colour: np.ndarray,
        at: Spots,
        lines: np.ndarray,
        s_camera: float,
        along_level: np.float32,
    ) -> np.ndarray:
        """Paint lines, bars and stop lines into `colour`; return the lane labels of the spots."""
        stretch, offset = self._stretch(s_camera)
        along_x = (at.ahead + offset) * np.float32(1 / _ALONG_M)
        gates = _read(stretch, along_x, np.maximum(2 * np.log2(at.ahead) - along_level, 0))
        edge = _read(self._labels, at.across, at.level)
        line = lines.astype(np.float32)
        dash, gate, zebra, stop = gates.T
        own = line[:, 0] * gate + line[:, 1] * dash
        broad = _tile(coarse_tile(), COARSE_PX_PER_M, at.ahead, at.d, s_camera, _WEAR)
        worn = _tile(fine_tile(), FINE_PX_PER_M, at.ahead, at.d, s_camera, _WEAR) / 2 + broad / 2
        whole = 1 - self._wear * np.clip((worn - 120) / 70, 0, 0.9)
        bars = edge[:, 2] * zebra + edge[:, 3] * stop
        share = np.clip((own + bars) * (whole / 255**2), 0, 0.95)[:, None]
        yellow = (line[:, 2] * (own > bars) / 255)[:, None]
        paint = self._white + yellow * (self._yellow - self._white)
        before = colour[at.y, at.x]
        colour[at.y, at.x] = before + share * (paint - before)
        return np.maximum(edge[:, 0] * (gate > 127), edge[:, 1] * (dash > 127)) > 127

    def _rows_with_bars(self, ahead: np.ndarray, s_camera: float) -> np.ndarray:
        """Tell which rows (rows,) may show the bars of a zebra or a stop line."""
        near, far = ahead.min(axis=1), ahead.max(axis=1)
        rows = np.zeros(len(ahead), bool)
        for junction in self._road.junctions:
            offset, reach = junction.s - s_camera, junction.half_width + 7.5
            if (junction.zebra or junction.stop_line) and -reach < offset < 150.0:
                rows |= (far > offset - reach) & (near < offset + reach)
        return rows

    def _stretch(self, s_camera: float) -> tuple[np.ndarray, np.float32]:
        """Return the table along the road ahead, and where the camera is in it, in metres."""
        number = int(s_camera // _STRETCH_M)
        if number not in self._along:
            table = _along_table(self._road, number * _STRETCH_M, _STRETCH_M + REACH_M)
            self._along = {number: _levels(table, _ALONG_M)}
        return self._along[number], np.float32(s_camera - number * _STRETCH_M)

    def _beyond_edge(self, ground: Ground, s_camera: float) -> np.ndarray:
        """Return the distance in metres from the edge of the pavement, negative on it."""
        beyond = np.full_like(ground.d, np.inf)
        for lo, hi in self._road.layout.carriageways:
            np.minimum(beyond, np.abs(ground.d - (lo + hi) / 2) - (hi - lo) / 2, out=beyond)
        for junction in self._road.junctions:
            offset = junction.s - s_camera
            reach = junction.half_width + _CORNER_M
            if not -reach < offset < REACH_M:
                continue
            rows = np.flatnonzero((np.abs(ground.ahead - offset) < reach).any(axis=1))
            if not len(rows):
                continue
            span = slice(rows[0], rows[-1] + 1)
            main = beyond[span]
            side = np.abs(ground.ahead[span] - offset) - junction.half_width
            hollow = np.hypot(
                np.clip(_CORNER_M - main, 0, None), np.clip(_CORNER_M - side, 0, None)
            )
            beyond[span] = np.maximum(_CORNER_M, np.minimum(main, side)) - hollow
            inside = np.minimum(main, side) < 0
            beyond[span][inside] = np.minimum(main, side)[inside]
        return beyond

    def _materials(
        self,
        beyond: np.ndarray,
        level: np.ndarray,
        ahead: np.ndarray,
        d: np.ndarray,
        s_camera: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return plain colours (rows, width, 3) uint8 and their relative detail (rows, width)."""
        x = (beyond + np.float32(1.0)) * np.float32(1 / _BESIDE_M)
        np.clip(x, 0, self._colours.shape[1] - 1, out=x)
        colour = cv2.remap(self._colours, x, level, cv2.INTER_LINEAR)
        kind = self._kinds.take(x.astype(np.int32))
        strength = self._strengths.take(kind)
        coarse = _tile(coarse_tile(), COARSE_PX_PER_M, ahead, d, s_camera, kind)
        detail = (coarse - np.float32(128)) / (1 + (ahead * np.float32(1 / 70)) ** 2)
        # Grain is finer than a pixel beyond a few car lengths.
        rows = np.flatnonzero(ahead.min(axis=1) < 40)
        if len(rows):
            near = slice(rows[0], None)
            fine = _tile(fine_tile(), FINE_PX_PER_M, ahead[near], d[near], s_camera, kind[near])
            fade = 1 + (ahead[near] * np.float32(1 / 14)) ** 2
            detail[near] += (fine - np.float32(128)) / fade
        return colour, detail * strength


_PER_OCTAVE = np.float32(1 / np.log(2))


def _read(table: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Read a table (rows, columns, channels) between its bins at spots (n,); (n, channels)."""
    width = 256  # remap takes pictures, not long lists
    short = width - len(x) % width
    maps = (np.pad(v.astype(np.float32), (0, short)).reshape(-1, width) for v in (x, y))
    return (
        cv2.remap(table, *maps, cv2.INTER_LINEAR)
        .reshape(-1, table.shape[2])[: len(x)]
        .astype(np.float32)
    )


def _tile(
    tile: np.ndarray,
    px_per_m: float,
    ahead: np.ndarray,
    d: np.ndarray,
    s_camera: float,
    channel: np.ndarray | int,
) -> np.ndarray:
    """Read a channel of a periodic tile (size, size, 4) at places of the road; uint8."""
    size = tile.shape[0]
    start = np.float32(s_camera * px_per_m % size)
    row = (ahead * np.float32(px_per_m) + start).astype(np.int32) & (size - 1)
    column = (d * np.float32(px_per_m)).astype(np.int32) & (size - 1)
    return tile.ravel().take((row * size + column) * 4 + channel)


def _levels(table: np.ndarray, bin_m: float) -> np.ndarray:
    """Stack a table (bins, channels) blurred for the footprint of each level."""
    stack = []
    for level in range(_LEVELS):
        sigma = 0.45 * _FINEST_M * 2**level / bin_m
        soft = cv2.GaussianBlur(table[None], (0, 0), sigmaX=max(sigma, 0.3), sigmaY=0.1)[0]
        stack.append(soft)
    return to_bytes(np.stack(stack))


def _across_table(layout: Layout, d0: float, d1: float) -> np.ndarray:
    """Draw solid lines, dashed lines, yellow zones and tyre tracks over the offset."""
    d = np.arange(d0, d1, _ACROSS_M)
    table = np.zeros((len(d), 4), np.float32)
    for line in layout.lines:
        distance = np.abs(d - line.d)
        table[distance <= line.width / 2, int(line.dashed)] = 255
        if line.yellow:
            table[distance < 0.5, 2] = 255
    for lane in layout.lanes:
        for track in (-0.78, 0.78):
            table[:, 3] += 200 * np.exp(-(((d - lane.d - track) / 0.28) ** 2))
        table[:, 3] += 110 * np.exp(-(((d - lane.d) / 0.4) ** 2))
    return table


def _label_table(layout: Layout, d0: float, d1: float) -> np.ndarray:
    """Draw the labels of solid and dashed lines, zebra bars and stop lines over the offset."""
    d = np.arange(d0, d1, _ACROSS_M)
    table = np.zeros((_LEVELS, len(d), 4), np.float32)
    for level in range(_LEVELS):
        footprint = _FINEST_M * 2**level
        # A label is never thinner than about one and a half pixels, so far lines stay whole.
        least = 0.75 * footprint
        for line in layout.lines:
            if line.width < _FAINTEST * footprint:
                continue
            table[level, np.abs(d - line.d) <= max(line.width / 2, least), int(line.dashed)] = 255
    lo, hi = layout.edges
    on_road = (d > lo + 0.3) & (d < hi - 0.3)
    table[:, on_road & ((d - lo) % 1.0 < 0.5), 2] = 255
    for lane in layout.lanes:
        if lane.direction == 1:
            table[:, np.abs(d - lane.d) < lane.width / 2, 3] = 255
    return to_bytes(table)


def _along_table(road: Road, start: float, length: float) -> np.ndarray:
    """Draw dashes, the gaps of lines at junctions, zebra bars and stop lines over the length."""
    s = start + np.arange(0, length, _ALONG_M)
    mark, gap = road.layout.dash_m
    table = np.zeros((len(s), 4), np.float32)
    table[s % (mark + gap) < mark, 0] = 255
    table[:, 1] = 255
    for junction in road.junctions:
        near = np.abs(s - junction.s)
        reach = junction.half_width + (6.5 if junction.zebra else 2.5)
        table[near < reach, :2] = 0
        if junction.zebra:
            table[np.abs(near - junction.half_width - 3.5) < 1.6, 2] = 255
        if junction.stop_line:
            table[np.abs(s - junction.s + reach + 0.2) < 0.22, 3] = 255
    return table


def _beside_tables(
    layout: Layout, asphalt: np.ndarray, season: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw colours (n, 3) and textures (n,) over the distance beyond the edge, from -1 m on."""
    beyond = np.arange(-1.0, 14.0, _BESIDE_M)
    colours = np.empty((len(beyond), 3), np.float32)
    kinds = np.full(len(beyond), _ASPHALT, np.int32)
    colours[:] = asphalt
    colours[(beyond > -0.35) & (beyond < 0)] *= 0.9
    for strip in layout.strips:
        colour, kind = _MATERIALS[strip.material]
        tint = season if strip.material == 'grass' else 0.0
        colours[beyond >= strip.start] = np.asarray(colour, float) + tint
        kinds[beyond >= strip.start] = kind
    if layout.strips[0].material == 'kerb':
        colours[(beyond >= -0.02) & (beyond < 0.05)] *= 0.55
    return colours, kinds
