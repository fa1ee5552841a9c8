# SPDX-License-Identifier: Apache-2.0
"""Make figures that can be compared out of the samples of all rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from panoptic_perception.bench.case import Case
from panoptic_perception.bench.roof import GMAC
from panoptic_perception.bench.rows import Measurement, Row
from panoptic_perception.bench.subject import Sample
from panoptic_perception.core.results import EngineInfo

STAGES = ('decode', 'pre', 'network', 'post')


def report_rows(
    measurements: Sequence[Measurement],
    *,
    gmac: Mapping[Path, float | None],
    roofs: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """
    Return the figures of each row; ratios are to the first.

    Args:
        measurements: The rows that could be measured, all with the same number of samples.
        gmac: Billions of multiply-accumulates of each model, None where not known.
        roofs: What `report_roof` returned.

    """
    return [_report_row(row, measurements[0], gmac[row.case.model], roofs) for row in measurements]


def report_roof(roof: Measurement) -> dict[str, Any]:
    """Return the roof of an engine and precision: GMAC/s of one core, or of a GPU."""
    ms = quartiles(_network_ms(roof))['median']
    return {**asdict(roof.info), 'gmac_per_s': _rounded(GMAC / ms * 1e3)}


def describe_case(case: Case) -> dict[str, Any]:
    """Return what was asked for."""
    return {**asdict(case), 'model': str(case.model)}


def report_missing(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the cases that could not be measured here, each with the reason in one line."""
    return [
        {'case': str(row.case), 'reason': ' '.join(row.reason.split())}
        for row in rows
        if row.reason
    ]


def quartiles(values: Sequence[float]) -> dict[str, float]:
    """Return the lower quartile, the median and the upper quartile."""
    found = np.percentile(values, (25, 50, 75))
    return dict(zip(('q1', 'median', 'q3'), map(_rounded, found), strict=True))


def ratios(values: Sequence[float], base: Sequence[float]) -> dict[str, float]:
    """Return the quartiles of value by base, round by round."""
    return quartiles([value / first for value, first in zip(values, base, strict=True)])


def shares(stages_ms: Mapping[str, float]) -> dict[str, float]:
    """Return the part, 0 to 1, that each stage has of the whole."""
    whole = sum(stages_ms.values())
    return {stage: _rounded(ms / whole) for stage, ms in stages_ms.items()}


def _report_row(
    row: Measurement,
    first: Measurement,
    gmac: float | None,
    roofs: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    values = {item.name: _column(row, item.name) for item in fields(Sample)}
    stages_ms = {stage: quartiles(_column(row, f'{stage}_ms'))['median'] for stage in STAGES}
    roof = next((roof['gmac_per_s'] for roof in roofs if _same_arithmetic(roof, row.info)), None)
    least_ms = None if gmac is None or roof is None else gmac / roof * 1e3
    network_ms = quartiles(_network_ms(row))['median']
    return {
        'asked': describe_case(row.case),
        **asdict(row.info),
        'wall_ms': quartiles(values['frame_ms']),
        'cpu_ms': quartiles(values['cpu_ms']),
        'wall_ratio': ratios(values['frame_ms'], _column(first, 'frame_ms')),
        'cpu_ratio': ratios(values['cpu_ms'], _column(first, 'cpu_ms')),
        'network_cpu_ms': quartiles(values['network_cpu_ms']),
        'stages_ms': stages_ms,
        'shares': shares(stages_ms),
        'first_result_s': _rounded(row.first_result_s),
        'peak_mb': row.peak_mb and _rounded(row.peak_mb),
        'gmac': gmac,
        'roof_ms': least_ms and _rounded(least_ms),
        'roof_clock': _roof_clock(row.info),
        'times_roof': _rounded(network_ms / least_ms) if least_ms else None,
        'samples': {
            name: [_rounded(value) for value in column] for name, column in values.items()
        },
    }


def _column(row: Measurement, name: str) -> list[float]:
    return [getattr(sample, name) for sample in row.samples]


def _network_ms(row: Measurement) -> list[float]:
    """Return the times to hold against the roof."""
    return _column(row, 'network_cpu_ms' if _roof_clock(row.info) == 'CPU' else 'network_ms')


def _roof_clock(info: EngineInfo) -> str:
    """Return the clock for the roof: a busy machine lengthens the wall's; a GPU has no other."""
    return 'CPU' if 'CPU' in info.provider else 'wall'


def _same_arithmetic(roof: Mapping[str, Any], info: EngineInfo) -> bool:
    keys = ('engine', 'provider', 'precision')
    return all(roof[key] == getattr(info, key) for key in keys)


def _rounded(value: float) -> float:
    return round(float(value), 4)
