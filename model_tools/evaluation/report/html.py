# SPDX-License-Identifier: Apache-2.0
"""An evaluation record as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np

from model_tools.evaluation.report import plots, tiles
from model_tools.evaluation.report.caveats import caveats
from model_tools.evaluation.report.columns import LABEL_KIND, figure, number, setting
from model_tools.evaluation.report.figures import (
    detection_grid,
    headline,
    mask_grid,
    slice_grid,
)
from panoptic_perception.core.files import write_whole

TEMPLATE = 'report.html.j2'
JPEG_QUALITY = 80


def write_html(record: Mapping[str, Any], pictures: Sequence[tiles.Tile], out: Path) -> None:
    """Write the report of a record, with its best and worst pictures, into one file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, setting=setting, data_uri=_data_uri, css=_css)
    name, first = next(iter(record['protocols'].items()))
    text = environment.get_template(TEMPLATE).render(
        record=record,
        first=name,
        headline=headline(name, first),
        protocols={key: _protocol(key, p) for key, p in record['protocols'].items()},
        settings=list(
            dict.fromkeys(k for p in record['protocols'].values() for k in p['settings'])
        ),
        curves=_curves(record, first),
        label_set=_label_set(record['data']['label_set']),
        labels=_label_makers(first),
        tiles=_by_task(pictures),
        legends=tiles.LEGENDS,
        caveats=caveats(record),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, text.encode())


def _protocol(name: str, protocol: Mapping[str, Any]) -> dict[str, Any]:
    return {
        'overrides': protocol['overrides'],
        'slices': slice_grid(name, protocol),
        'boxes': detection_grid(protocol['all']),
        'masks': mask_grid(protocol['all']),
    }


def _curves(record: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any]:
    curves = record['curves']
    return {
        'precision_recall': plots.precision_recall(
            curves['precision_recall'], figure(record, 'model', 'thresholds', 'score')
        )
        if curves.get('precision_recall')
        else None,
        'sweeps': {
            task: (used, plots.threshold_sweep(task, sweep, used))
            for task, sweep in (curves.get('sweep') or {}).items()
            if sweep and (used := figure(first['all'], task, 'threshold')) is not None
        },
        'reliability': {
            name: (bins['ece'], plots.reliability(name, bins))
            for name, bins in (curves.get('calibration') or {}).items()
            if bins and any(bins['count'])
        },
    }


def _label_set(label_set: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the categories of each label, those that are ignored in brackets."""
    return {
        name: [
            *(category for category, label in label_set['categories'].items() if label == name),
            *(
                f'({category})'
                for category, label in label_set['ignored'].items()
                if label == name
            ),
        ]
        for name in label_set['names']
    }


def _label_makers(protocol: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return for each source and kind of label how the labels were made."""
    return {
        source: {kind: ', '.join(scores['labels'].get(kind, ())) for kind in LABEL_KIND.values()}
        for source, scores in protocol['slices'].get('source', {}).items()
        if 'labels' in scores
    }


def _by_task(pictures: Sequence[tiles.Tile]) -> dict[str, dict[str, list[tiles.Tile]]]:
    by_task: dict[str, dict[str, list[tiles.Tile]]] = {}
    for tile in pictures:
        by_task.setdefault(tile.task, {}).setdefault(tile.kind, []).append(tile)
    return by_task


def _data_uri(image: np.ndarray) -> str:
    jpeg = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return 'data:image/jpeg;base64,' + base64.b64encode(jpeg.tobytes()).decode()


def _css(colour: tiles.Colour) -> str:
    blue, green, red = colour
    return f'rgb({red}, {green}, {blue})'
