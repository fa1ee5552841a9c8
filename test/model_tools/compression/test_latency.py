# SPDX-License-Identifier: Apache-2.0
import json
import sys
import time

import onnxruntime
import pytest
import torch
from torch import nn

from model_tools.compression.latency import LatencyError, LatencyTable
from model_tools.export.onnx_graph import fold_batchnorm, write_onnx
from model_tools.networks.blocks import Blocks, ConvBlock, CSPBlock
from panoptic_perception.engines.onnxruntime_engine import session_options
from panoptic_perception.engines.openvino_engine import float_settings
from panoptic_perception.engines.quiet_openvino import openvino_core

INPUT_WH = (320, 192)


def small_net(width):
    blocks = Blocks('dense', 'relu')
    stem = ConvBlock(3, width, 6, 2, activation='silu')
    return nn.Sequential(
        stem, blocks.spatial(width, 2 * width, 2), CSPBlock(blocks, 2 * width, 2 * width, 2)
    ).eval()


def onnxruntime_run(path, image):
    session = onnxruntime.InferenceSession(
        path, session_options(threads=1), providers=['CPUExecutionProvider']
    )
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: image})


def openvino_run(path, image):
    settings = float_settings('f32', threads=1)
    request = openvino_core().compile_model(str(path), 'CPU', settings).create_infer_request()
    return lambda: request.infer([image])


def measured_ms(nets, folder, load):
    runs = []
    for i, net in enumerate(nets):
        path = folder / f'{i}.onnx'
        image = torch.rand(1, 3, *INPUT_WH[::-1])
        write_onnx(fold_batchnorm(net), (image,), path)
        runs.append(load(path, image.numpy()))
    times = [[] for _ in runs]
    for _ in range(15):
        for run, found in zip(runs, times, strict=True):
            start = time.perf_counter()
            run()
            found.append((time.perf_counter() - start) * 1e3)
    return [min(found) for found in times]  # what other processes have not lengthened


@pytest.mark.parametrize(
    ('engine', 'load'), [('onnxruntime', onnxruntime_run), ('openvino', openvino_run)]
)
def test_latency_table__about_the_measured_time_and_in_its_order(tmp_path, engine, load):
    nets = [small_net(width) for width in (8, 32, 64)]
    table = LatencyTable(tmp_path / 'table.json', input_wh=INPUT_WH, engine=engine)
    table.measure(*nets)
    predicted = [table(net) for net in nets]
    measured = measured_ms(nets, tmp_path, load)
    assert json.loads((tmp_path / 'table.json').read_text())['engine'] == engine
    for found, expected in zip(predicted, measured, strict=True):
        assert expected / 2 < found < expected * 2
    assert predicted == sorted(predicted)


def test_latency_table__each_layer_is_measured_once_and_kept(tmp_path):
    path = tmp_path / 'new' / 'table.json'
    net = small_net(8)
    first = LatencyTable(path, input_wh=INPUT_WH)
    ms = first(net)
    written = path.read_text()
    table = json.loads(written)
    assert (table['engine'], table['threads']) == ('onnxruntime', 1)
    # 6 convolutions differ of 8: both branches are alike, and both of each kind in the two blocks
    assert sum(key.startswith('Conv') for key in table['ms']) == 6
    assert first(net) == LatencyTable(path, input_wh=INPUT_WH)(net) == ms
    assert path.read_text() == written
    LatencyTable(path, input_wh=(160, 96))(net)
    assert len(json.loads(path.read_text())['ms']) == 2 * len(table['ms'])


def test_latency_table__new_layers_are_measured_at_the_pace_of_the_old(tmp_path):
    """A machine that is ten times as fast as it was shall not make new layers look cheap."""
    path, old, new = tmp_path / 'table.json', small_net(16), small_net(32)
    fair = LatencyTable(None, input_wh=INPUT_WH)(new)
    LatencyTable(path, input_wh=INPUT_WH)(old)
    table = json.loads(path.read_text())
    path.write_text(json.dumps({**table, 'ms': {k: 10 * ms for k, ms in table['ms'].items()}}))
    both = nn.ModuleList([old, new])
    both.forward = lambda x: (old(x), new(x))
    slow = LatencyTable(path, input_wh=INPUT_WH)(both) - LatencyTable(path, input_wh=INPUT_WH)(old)
    assert slow == pytest.approx(10 * fair, rel=0.5)


def test_latency_table__shared_by_two_runs(tmp_path):
    path = tmp_path / 'table.json'
    one, other = (LatencyTable(path, input_wh=INPUT_WH) for _ in range(2))
    common, *convs = (nn.Conv2d(3, width, 1) for width in (4, 8, 16))
    first = one(common)
    assert other(common) == first
    one(convs[0])
    other(convs[1])
    written = path.read_text()
    assert len(json.loads(written)['ms']) == 3
    assert one(common) == LatencyTable(path, input_wh=INPUT_WH)(common) == first
    assert one(convs[1]) == other(convs[1])
    assert path.read_text() == written


def test_latency_table__in_memory_and_without_layers():
    assert LatencyTable(None, input_wh=INPUT_WH)(nn.Identity()) == 0


def test_latency_table__of_another_engine(tmp_path):
    path = tmp_path / 'table.json'
    LatencyTable(path, input_wh=INPUT_WH)(nn.Conv2d(3, 1, 1))
    with pytest.raises(LatencyError, match="engine was 'onnxruntime', is 'openvino'; version was"):
        LatencyTable(path, input_wh=INPUT_WH, engine='openvino')


def test_latency_table__engine_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    with pytest.raises(LatencyError, match='not installed: pip install openvino'):
        LatencyTable(None, input_wh=INPUT_WH, engine='openvino')


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ('', 'found it damaged'),
        ('[]', 'found it damaged'),
        ({'ms': None}, 'found it damaged'),
        ({'ms': {'a': 'b'}}, 'found it damaged'),
        ({'threads': 4}, 'measured in other circumstances: threads was 4, is 1'),
        ({'cpu': 'abacus', 'schema': 0}, "schema was 0, is 1; cpu was 'abacus'"),
    ],
)
def test_latency_table__of_no_use(tmp_path, changes, words):
    path = tmp_path / 'table.json'
    if isinstance(changes, str):
        path.write_text(changes)
    else:
        LatencyTable(path, input_wh=(32, 32))(nn.Conv2d(3, 1, 1))
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(LatencyError, match=words):
        LatencyTable(path, input_wh=INPUT_WH)
