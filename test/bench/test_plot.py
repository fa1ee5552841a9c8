# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from panoptic_perception.bench.report import report_rows


@pytest.mark.parametrize('gmac', [None, 0.4])
def test_draw_report__bars_on_white(tmp_path, measured, gmac):
    pytest.importorskip('matplotlib')
    from panoptic_perception.bench.plot import draw_report

    roof = {'engine': 'onnxruntime', 'provider': 'CPUExecutionProvider', 'precision': 'fp32'}
    rows = report_rows(
        [measured([10]), measured([20])],
        gmac={Path('road.onnx'): gmac},
        roofs=[roof | {'gmac_per_s': 100.0}],
    )
    path = tmp_path / 'plot.png'
    draw_report({'rows': rows, 'machine': {'cpu': 'Some CPU'}}, path)
    image = cv2.imread(str(path))
    assert image.shape[1] == 1100
    orange = (abs(image.astype(int) - (14, 127, 255)).sum(axis=2) < 10).mean()
    assert 0.05 < orange < 0.8
