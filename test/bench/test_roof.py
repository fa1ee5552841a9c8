# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import onnx
import pytest

from panoptic_perception.bench import roof
from panoptic_perception.bench.macs import count_macs
from panoptic_perception.engines import ENGINES, EngineError, load_engine


@pytest.mark.parametrize('engine', ENGINES[1:])
@pytest.mark.parametrize('int8', [False, True])
def test_build_roof_model__runs_as_any_model_file(tmp_path, engine, int8):
    path = tmp_path / 'roof.onnx'
    onnx.save(roof.build_roof_model(int8=int8), path)
    try:
        loaded = load_engine(path, engine=engine, device='cpu', threads=1)
    except EngineError as error:
        pytest.skip(str(error))
    assert loaded.info.precision == ('int8' if int8 else 'fp32')
    noise = np.random.default_rng(0).integers(0, 256, (1, roof.HEIGHT, roof.WIDTH, 3), np.uint8)
    output = loaded.run(noise)
    np.testing.assert_array_equal(output.boxes, [[0, 0, 8, 8]])
    np.testing.assert_array_equal(output.drivable, output.lane)


def test_gmac__is_that_of_the_graph_nearly_all_in_the_wide_layers():
    assert count_macs(roof.build_roof_model(int8=False)) == round(roof.GMAC * 1e9)
    wide = roof.LAYERS * 9 * roof.CHANNELS**2 * roof.HEIGHT * roof.WIDTH
    assert wide / 1e9 > 0.98 * roof.GMAC
