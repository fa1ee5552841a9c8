# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from panoptic_perception.bench.report import describe_case, report_rows
from panoptic_perception.bench.stream import StreamResult
from panoptic_perception.bench.table import align, report_lines
from panoptic_perception.core.results import EngineInfo

CPU = EngineInfo('onnxruntime', 'CPUExecutionProvider', 'fp32', 1)
HEAD = {
    'machine': {
        'cpu': 'Some CPU',
        'features': ['avx2'],
        'cores': 2,
        'gpu': '',
        'governor': 'powersave',
        'load_average': [0.25, 0.1, 0.1],
        'versions': {'python': '3.12.0', 'numpy': '2.0.0'},
    },
    'load_average_after': [1.75, 0.1, 0.1],
    'what': 'two rounds',
    'missing': [],
}
ROOF = {**asdict(CPU), 'gmac_per_s': 100.0}


def test_align__texts_to_the_left_numbers_to_the_right():
    lines = align([['model', 'e', 'p', 'q', 'n'], ['a', 'onnx', 'CPU', 'fp32', '100']])
    assert lines == ['model  e     p    q       n', 'a      onnx  CPU  fp32  100']


def test_report_lines__nothing_measured():
    missing = [{'case': 'road openvino threads=1', 'reason': 'openvino is not installed'}]
    assert report_lines(HEAD | {'rows': [], 'missing': missing}) == [
        'Some CPU avx2, 2 cores, governor powersave, load 0.2 before, 1.8 after',
        'python 3.12.0, numpy 2.0.0',
        'two rounds',
        '',
        'not measured: road openvino threads=1: openvino is not installed',
    ]


def test_report_lines__frames(measured):
    rows = report_rows(
        [measured([10, 20, 40]), measured([5, 40, 40], info=replace(CPU, note='no GPU here'))],
        gmac={Path('road.onnx'): 0.4},
        roofs=[ROOF],
    )
    lines = report_lines(HEAD | {'rows': rows, 'roofs': [ROOF]})[4:]
    titles = lines[0].split('  ')
    assert titles[0].startswith('model')
    assert ' '.join(lines[1].split()) == (
        'road onnxruntime CPU fp32 1 20.0 10.0 1.00 (1.00-1.00) 1.00 (1.00-1.00)'
        ' 8.0 2.00 200 1.50 20%/8%/64%/8%'
    )
    assert '1.00 (0.75-1.50)' in lines[2]
    assert lines[3] == 'road onnxruntime CPU fp32 1: no GPU here'
    assert lines[-1] == 'fastest here: road onnxruntime CPU fp32 1 in 1.00 of the first row'
    assert lines[4] == (
        'roof of one core (or the GPU) in GMAC/s: onnxruntime fp32 100; GMAC of a frame: road 0.40'
    )


def test_report_lines__roofs_of_two_providers_are_told_apart(measured):
    rows = report_rows([measured([10])], gmac={Path('road.onnx'): 0.4}, roofs=[ROOF])
    cuda = ROOF | {'provider': 'CUDAExecutionProvider', 'gmac_per_s': 9000.0}
    int8 = ROOF | {'precision': 'int8', 'gmac_per_s': 300.0}
    lines = report_lines(HEAD | {'rows': rows, 'roofs': [ROOF, cuda, int8]})
    roofs = 'onnxruntime CPU fp32 100, onnxruntime CUDA fp32 9000, onnxruntime int8 300'
    assert f'GMAC/s: {roofs}; GMAC of' in lines[-2]


def test_report_lines__what_is_not_known_is_a_dash(measured):
    rows = report_rows(
        [replace(measured([10]), peak_mb=None)], gmac={Path('road.onnx'): None}, roofs=[]
    )
    cells = report_lines(HEAD | {'rows': rows, 'roofs': []})[5].split()
    assert cells[12:14] == ['-', '-']


def test_report_lines__stream(measured):
    result = StreamResult(
        offered=30, answered=28, dropped=2, p50_ms=31, p95_ms=40.25, p99_ms=50, cpu_cores=0.9
    )
    row = {'asked': describe_case(measured([1]).case), **asdict(CPU), **asdict(result)}
    stream = {'rate_hz': 30, 'seconds': 1}
    lines = report_lines(HEAD | {'rows': [row], 'stream': stream})
    cells = ' '.join(lines[5].split())
    assert cells == 'road onnxruntime CPU fp32 1 30 28 2 31.0 40.2 50.0 0.90'
    assert len(lines) == 6
