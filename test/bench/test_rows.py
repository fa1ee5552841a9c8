# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from types import SimpleNamespace

import onnx

from panoptic_perception.bench.rows import WARM_UP_ROUNDS, Row, measure_rounds, roof_cases
from panoptic_perception.bench.subject import measure_frame
from panoptic_perception.core.results import EngineInfo


def test_rows__missing_and_lost_ones_keep_their_reason(tiny_case, jpeg, tmp_path):
    missing = Row(replace(tiny_case, precision='int8'), jpeg)
    row = Row(tiny_case, jpeg)
    try:
        assert list(measure_rounds([missing, row], 2)) == list(range(WARM_UP_ROUNDS + 2))
        assert 'int8' in missing.reason
        assert missing.measurement() is None
        assert missing.ask(measure_frame) is None
        measurement = row.measurement()
        assert measurement.case == tiny_case
        assert len(measurement.samples) == 2
        assert measurement.peak_mb > 20

        (roof,) = roof_cases([missing, row, row], tmp_path)
        assert (roof.engine, roof.precision, roof.threads) == ('onnxruntime', 'fp32', 1)
        onnx.checker.check_model(onnx.load(roof.model))

        row.ask(attrgetter('nothing'))
        assert 'AttributeError' in row.reason
        assert row.measurement() is None
        assert roof_cases([row], tmp_path) == []
    finally:
        row.close()


def test_roof_cases__one_for_each_arithmetic_however_it_was_asked_for(tiny_case, tmp_path):
    def row(device, *facts):
        process = SimpleNamespace(info=EngineInfo(*facts))
        return SimpleNamespace(case=replace(tiny_case, device=device), process=process)

    cpu = ('onnxruntime', 'CPUExecutionProvider', 'fp32')
    rows = [
        row('cpu', *cpu, 1),
        row('auto', *cpu, 2),
        row('cuda', 'onnxruntime', 'CUDAExecutionProvider', 'fp32', 1),
        row('cpu', 'openvino', 'CPU', 'bf16', 1),
        row('cpu', 'openvino', 'CPU', 'int8', 1),
    ]
    found = [(case.engine, case.precision, case.threads) for case in roof_cases(rows, tmp_path)]
    assert found == [
        ('onnxruntime', 'fp32', 1),
        ('onnxruntime', 'fp32', 1),
        ('openvino', 'bf16', 1),
        ('openvino', 'int8', 1),
    ]
