# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from panoptic_perception.bench.report import quartiles, ratios, report_roof, report_rows, shares
from panoptic_perception.bench.roof import GMAC
from panoptic_perception.core.results import EngineInfo

CPU = EngineInfo('onnxruntime', 'CPUExecutionProvider', 'fp32', 1)
GPU = EngineInfo('onnxruntime', 'CUDAExecutionProvider', 'fp32', 1)


@pytest.mark.parametrize(
    ('values', 'expected'),
    [
        ([7], {'q1': 7, 'median': 7, 'q3': 7}),
        ([4, 1, 2, 3, 5], {'q1': 2, 'median': 3, 'q3': 4}),
        ([1, 1, 1, 1000], {'q1': 1, 'median': 1, 'q3': 250.75}),
    ],
)
def test_quartiles(values, expected):
    assert quartiles(values) == expected


def test_ratios__round_by_round():
    # A burst that slows both rows of a round alike leaves the ratio as it was.
    assert ratios([20, 200, 20], [10, 100, 10]) == {'q1': 2, 'median': 2, 'q3': 2}
    with pytest.raises(ValueError, match='longer'):
        ratios([1], [1, 2])


def test_shares():
    assert shares({'pre': 1, 'network': 6, 'post': 1}) == {
        'pre': 0.125,
        'network': 0.75,
        'post': 0.125,
    }


@pytest.mark.parametrize(('info', 'expected'), [(CPU, 250), (GPU, 125)])
def test_report_roof__processor_time_or_the_walls_on_a_gpu(measured, info, expected):
    # the network has 16 ms of the wall's time and 8 of the processor's
    roof = report_roof(measured([20, 20, 90], info=info))
    assert roof['gmac_per_s'] == pytest.approx(expected * GMAC / 2)


def test_report_rows__none():
    assert report_rows([], gmac={}, roofs=[]) == []


def test_report_rows__figures_by_hand(measured):
    first = measured([10, 20, 40])
    second = measured([5, 40, 40], info=replace(CPU, threads=2), model='other.onnx')
    roofs = [{'engine': 'onnxruntime', 'provider': CPU.provider, 'precision': 'fp32'}]
    roofs[0]['gmac_per_s'] = 100
    gmac = {Path('road.onnx'): 0.4, Path('other.onnx'): None}
    rows = report_rows([first, second], gmac=gmac, roofs=roofs)

    assert rows[0]['wall_ms'] == {'q1': 15, 'median': 20, 'q3': 30}
    assert rows[0]['cpu_ms']['median'] == 10
    assert rows[0]['network_cpu_ms']['median'] == 8
    assert rows[0]['cpu_ratio'] == {'q1': 1, 'median': 1, 'q3': 1}
    assert rows[0]['stages_ms'] == {'decode': 5, 'pre': 2, 'network': 16, 'post': 2}
    assert rows[0]['shares'] == {'decode': 0.2, 'pre': 0.08, 'network': 0.64, 'post': 0.08}
    # 0.4 GMAC at 100 GMAC/s are 4 ms; the network takes 8 of the processor
    assert (rows[0]['roof_ms'], rows[0]['times_roof'], rows[0]['roof_clock']) == (4, 2, 'CPU')
    assert (rows[0]['first_result_s'], rows[0]['peak_mb']) == (1.5, 200)
    assert rows[0]['samples']['frame_ms'] == [10, 20, 40]

    assert rows[1]['threads'] == 2
    assert rows[1]['wall_ratio'] == {'q1': 0.75, 'median': 1, 'q3': 1.5}
    assert rows[1]['times_roof'] is None
    assert json.loads(json.dumps(rows)) == rows


def test_report_rows__a_roof_of_other_arithmetic_is_none(measured):
    roofs = [
        {'engine': 'onnxruntime', 'provider': CPU.provider, 'precision': 'int8', 'gmac_per_s': 9}
    ]
    (row,) = report_rows([measured([10])], gmac={Path('road.onnx'): 1.0}, roofs=roofs)
    assert row['times_roof'] is None


def test_report_rows__a_peak_that_is_not_known(measured):
    unknown = replace(measured([10]), peak_mb=None)
    (row,) = report_rows([unknown], gmac={Path('road.onnx'): None}, roofs=[])
    assert row['peak_mb'] is None
