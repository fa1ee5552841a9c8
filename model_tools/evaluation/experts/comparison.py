# SPDX-License-Identifier: Apache-2.0
"""Score and time contenders on a split, and keep it as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model_tools.data.problems import Problems
from model_tools.data.readers import RoadData, read_samples
from model_tools.evaluation.evaluate import evaluate
from model_tools.evaluation.experts.contender import Contender
from model_tools.evaluation.experts.pareto import draw_pareto
from model_tools.evaluation.experts.summary import markdown
from model_tools.evaluation.experts.timing import time_interleaved
from model_tools.evaluation.headline import headline
from model_tools.evaluation.protocol import Protocol
from model_tools.evaluation.report.caveats import caveats
from panoptic_perception.core.files import write_json, write_whole
from panoptic_perception.core.machine import describe_machine

SCHEMA = 1
TIMED_IMAGES = 40
COPIES = (
    'Where labels were made with a network of this table, its own figures compare it with itself; '
    'where a network was trained on other images of a source, that source flatters it.'
)


def compare(
    contenders: Sequence[Contender],
    data: RoadData,
    split: str,
    protocol: Protocol,
    out: Path,
    *,
    threads: int,
    max_skipped: float,
) -> None:
    """Write NAME.json for each contender, table.json, pareto.png and README.md into `out`.

    Raises:
        ValueError: Two contenders have one name.
        DatasetError: No sample can be scored, or too many had to be skipped.

    """
    names = [contender.name for contender in contenders]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f'records would overwrite each other, rename the files: {twice}')
    images = _spread_images(data, split, max_skipped)
    out.mkdir(parents=True, exist_ok=True)
    records = []
    for contender in contenders:
        evaluation = evaluate(
            contender.predictor, data, split, [protocol], max_skipped=max_skipped
        )
        records.append(evaluation.record())
        write_json(out / f'{contender.name}.json', records[-1])
    machine = describe_machine()
    times = time_interleaved(contenders, images, threads=threads)
    table = {
        'schema': SCHEMA,
        'data': records[0]['data'],
        'protocol': protocol.name,
        'settings_asked_for': {name: o.used for name, o in protocol.overrides.items()},
        'machine': machine,
        'timing': {'images': len(images), 'threads': threads},
        'rows': [
            {**_row(contender, record, protocol), 'times': time.summary(times[0])}
            for contender, record, time in zip(contenders, records, times, strict=True)
        ],
        'caveats': [*caveats(records[0]), COPIES],
    }
    write_json(out / 'table.json', table)
    draw_pareto(table['rows'], out / 'pareto.png')
    write_whole(out / 'README.md', markdown(table).encode())


def _row(contender: Contender, record: Mapping[str, Any], protocol: Protocol) -> dict[str, Any]:
    model, scored = record['model'], record['protocols'][protocol.name]
    sources = scored['slices'].get('source', {})
    return {
        'name': contender.name,
        'parameters_m': contender.parameters_m,
        'model': {k: model.get(k) for k in ('kind', 'sha256', 'input', 'engine', 'origin')},
        'scores': {
            name: {**headline(part), 'labels': part['labels']}
            for name, part in {'all': scored['all'], **sources}.items()
        },
    }


def _spread_images(data: RoadData, split: str, max_skipped: float) -> list[np.ndarray]:
    names = data.names(split)
    chosen = np.linspace(0, len(names) - 1, min(TIMED_IMAGES, len(names))).astype(int)
    problems = Problems(len(names), limit=max_skipped)
    samples = read_samples(data, split, problems, names=[names[i] for i in chosen])
    return [sample.image for sample in samples]
