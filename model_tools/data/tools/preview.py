# SPDX-License-Identifier: Apache-2.0
"""Show images of a data set with their labels on one sheet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from model_tools.data.label_picture import draw_labels, draw_legend, sheet_of, write_text
from model_tools.data.problems import Problems
from model_tools.data.readers import RoadData, read_samples
from model_tools.data.sample import Sample
from model_tools.data.tools.stats import CONDITIONS

_COLUMNS = 4
_TILE_WH = (480, 270)
_CAPTION_PX = 34
_CANDIDATES = 8  # images looked at for each one shown, to find rare conditions


def spread_names(
    data: RoadData, split: str, count: int, *, seed: int, problems: Problems
) -> list[str]:
    """Choose images of a split at random, by turns from each source and condition."""
    names = data.names(split)
    order = np.random.default_rng(seed).permutation(len(names))[: _CANDIDATES * count]
    candidates = [names[i] for i in order]
    kinds = {
        sample.name: tuple(sample.attributes.get(key, 'unknown') for key in CONDITIONS)
        for sample in read_samples(data, split, problems, names=candidates)
    }
    chosen = take_turns(list(kinds.values()), count)
    return sorted((list(kinds)[i] for i in chosen), key=lambda name: (kinds[name], name))


def take_turns(kinds: Sequence[Hashable], count: int) -> list[int]:
    """Return the indices of up to `count` entries: the first of each kind, then the second ..."""
    rounds: dict[Hashable, int] = defaultdict(int)
    turn = []
    for kind in kinds:
        turn.append(rounds[kind])
        rounds[kind] += 1
    return np.argsort(turn, kind='stable')[:count].tolist()


def preview_sheet(
    data: RoadData, split: str, names: Sequence[str], *, problems: Problems
) -> np.ndarray:
    """Draw images with their labels and captions onto one BGR sheet, with a legend below."""
    tiles = [_tile(sample) for sample in read_samples(data, split, problems, names=names)]
    if not tiles:
        reason = next(iter(problems.summary()['examples']), 'none is named')
        raise ValueError(f"'{data.root}': no image of split '{split}' can be shown: {reason}")
    sheet = sheet_of(tiles, min(_COLUMNS, len(tiles)))
    return np.vstack([sheet, draw_legend(data.settings.labels.names, sheet.shape[1])])


def _tile(sample: Sample) -> np.ndarray:
    """Return one image of the sheet: scaled to fit, with two lines of caption below it."""
    tile = np.full((_TILE_WH[1] + _CAPTION_PX, _TILE_WH[0], 3), 24, np.uint8)
    height, width = sample.image.shape[:2]
    scaled_w = max(1, int(width * min(_TILE_WH[0] / width, _TILE_WH[1] / height)))
    picture = draw_labels(sample, scaled_w)[: _TILE_WH[1]]
    left, top = (_TILE_WH[0] - picture.shape[1]) // 2, (_TILE_WH[1] - picture.shape[0]) // 2
    tile[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    write_text(tile, sample.name, (4, _TILE_WH[1] + 13))
    write_text(tile, _conditions(sample), (4, _TILE_WH[1] + 28))
    return tile


def _conditions(sample: Sample) -> str:
    """Say where and when an image was taken, and which labels it lacks."""
    height, width = sample.image.shape[:2]
    words = [sample.attributes[key] for key in CONDITIONS if key in sample.attributes]
    lacking = [
        word
        for word, absent in (
            ('no boxes', not sample.boxes_complete and not len(sample.boxes)),
            ('boxes incomplete', not sample.boxes_complete and len(sample.boxes) > 0),
            ('no drivable', sample.drivable is None),
            ('no lane', sample.lane is None),
        )
        if absent
    ]
    return ' | '.join([f'{width}x{height}', *words, *lacking])
