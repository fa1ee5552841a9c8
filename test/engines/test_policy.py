# SPDX-License-Identifier: Apache-2.0
"""Every wish on every kind of machine: what runs, or the reason why nothing does."""

from __future__ import annotations

import pytest

from panoptic_perception.engines import EngineError
from panoptic_perception.engines.policy import (
    DEVICES,
    ENGINES,
    PRECISIONS,
    WAYS,
    Way,
    Wish,
    choose,
    precisions_of,
)

CUDA = Way('onnxruntime', 'cuda', 'fp32')
CUDA_HALF = Way('onnxruntime', 'cuda', 'fp16')
TENSORRT = Way('onnxruntime', 'tensorrt', 'fp16')
OPENVINO = Way('openvino', 'cpu', 'fp32')
OPENVINO_BF16 = Way('openvino', 'cpu', 'bf16')
OPENVINO_INT8 = Way('openvino', 'cpu', 'int8')
OPENVINO_INT8_BF16 = Way('openvino', 'cpu', 'int8-bf16')
ORT = Way('onnxruntime', 'cpu', 'fp32')
ORT_INT8 = Way('onnxruntime', 'cpu', 'int8')

GPU = set(WAYS)
CPU = {OPENVINO, OPENVINO_BF16, OPENVINO_INT8, OPENVINO_INT8_BF16, ORT, ORT_INT8}
OLD_CPU = CPU - {OPENVINO_BF16, OPENVINO_INT8_BF16}
ORT_ONLY = {ORT, ORT_INT8}
BARE: set[Way] = set()


def chosen(machine, held, wish):
    return choose(wish, held, lambda way: '' if way in machine else f'no {way.engine} here')


@pytest.mark.parametrize(
    ('machine', 'held', 'wish', 'way'),
    [
        (GPU, 'fp32', {}, CUDA),
        (GPU, 'fp16', {}, CUDA_HALF),
        (GPU, 'int8', {}, OPENVINO_INT8),
        (GPU, 'fp32', {'device': 'cpu'}, ORT),
        (GPU, 'fp32', {'engine': 'openvino'}, OPENVINO),
        (GPU, 'fp32', {'engine': 'onnxruntime'}, CUDA),
        (GPU, 'fp32', {'precision': 'bf16'}, OPENVINO_BF16),
        (GPU, 'fp32', {'device': 'tensorrt'}, TENSORRT),
        (GPU, 'fp32', {'device': 'tensorrt', 'precision': 'fp16'}, TENSORRT),
        (GPU, 'fp16', {'device': 'tensorrt'}, TENSORRT),
        (CPU, 'fp32', {}, ORT),
        (CPU, 'int8', {}, OPENVINO_INT8),
        (CPU, 'int8', {'precision': 'int8'}, OPENVINO_INT8),
        (CPU, 'int8', {'precision': 'int8-bf16'}, OPENVINO_INT8_BF16),
        (CPU, 'fp32', {'precision': 'bf16'}, OPENVINO_BF16),
        (CPU, 'fp32', {'engine': 'onnxruntime'}, ORT),
        (CPU, 'int8', {'engine': 'onnxruntime', 'device': 'cpu'}, ORT_INT8),
        (OLD_CPU, 'fp32', {}, ORT),
        (ORT_ONLY, 'fp32', {}, ORT),
        (ORT_ONLY, 'int8', {}, ORT_INT8),
        ({OPENVINO}, 'fp32', {}, OPENVINO),
    ],
)
@pytest.mark.parametrize('policy', ['strict', 'fallback'])
def test_choose__met(machine, held, wish, way, policy):
    assert chosen(machine, held, Wish(**wish, provider_policy=policy)) == (way, '')


@pytest.mark.parametrize(
    ('machine', 'held', 'wish', 'instead', 'reason'),
    [
        (CPU, 'fp32', {'device': 'cuda'}, ORT, 'no onnxruntime here'),
        (CPU, 'fp32', {'device': 'tensorrt'}, ORT, 'no onnxruntime here'),
        (ORT_ONLY, 'fp32', {'engine': 'openvino'}, ORT, 'no openvino here'),
        (ORT_ONLY, 'int8', {'engine': 'openvino'}, ORT_INT8, 'no openvino here'),
        (OLD_CPU, 'fp32', {'precision': 'bf16'}, ORT, 'no openvino here'),
        (OLD_CPU, 'int8', {'precision': 'int8-bf16'}, OPENVINO_INT8, 'no openvino here'),
        (ORT_ONLY, 'fp32', {'precision': 'bf16'}, ORT, 'no openvino here'),
        (
            CPU,
            'fp32',
            {'engine': 'openvino', 'device': 'cuda'},
            OPENVINO,
            'openvino does not run on cuda',
        ),
        (
            GPU,
            'fp32',
            {'engine': 'openvino', 'device': 'cuda'},
            CUDA,
            'openvino does not run on cuda',
        ),
        (
            CPU,
            'fp32',
            {'engine': 'onnxruntime', 'device': 'cpu', 'precision': 'bf16'},
            ORT,
            'a model file of fp32 does not run in bf16 there: choose precision fp32',
        ),
        (
            CPU,
            'fp32',
            {'device': 'cpu', 'precision': 'fp16'},
            ORT,
            'a model file of fp32 does not run in fp16 there: choose precision fp32 or bf16',
        ),
        (
            GPU,
            'fp32',
            {'device': 'cuda', 'precision': 'fp16'},
            CUDA,
            'precision fp16 needs a model file of fp16, and this one holds fp32',
        ),
        (
            GPU,
            'fp32',
            {'device': 'tensorrt', 'precision': 'fp32'},
            CUDA,
            'a model file of fp32 does not run in fp32 there: choose precision fp16',
        ),
        (
            GPU,
            'int8',
            {'device': 'cuda'},
            OPENVINO_INT8,
            'a model file of int8 does not run in int8 there: choose a model file of fp32 or fp16',
        ),
        (
            GPU,
            'fp32',
            {'precision': 'fp16'},
            CUDA,
            'precision fp16 needs a model file of fp16, and this one holds fp32',
        ),
        (
            GPU,
            'int8',
            {'device': 'tensorrt'},
            OPENVINO_INT8,
            'precision fp16 needs a model file of fp32 or fp16, and this one holds int8',
        ),
        (
            CPU,
            'fp32',
            {'precision': 'int8'},
            ORT,
            'precision int8 needs a model file of int8, and this one holds fp32',
        ),
        (
            CPU,
            'int8',
            {'precision': 'fp32', 'engine': 'onnxruntime'},
            ORT_INT8,
            'precision fp32 needs a model file of fp32, and this one holds int8',
        ),
    ],
)
def test_choose__unmet(machine, held, wish, instead, reason):
    with pytest.raises(EngineError) as error:
        chosen(machine, held, Wish(**wish))
    assert str(error.value).endswith(reason)

    way, note = chosen(machine, held, Wish(**wish, provider_policy='fallback'))

    assert way == instead
    assert note.startswith(f'{way.engine} on {way.device} in {way.precision} instead of engine ')
    assert note.endswith(reason)


@pytest.mark.parametrize('policy', ['strict', 'fallback'])
@pytest.mark.parametrize(
    ('machine', 'held', 'reason'),
    [
        (BARE, 'fp32', 'no onnxruntime here; no openvino here'),
        (BARE, 'int8', 'no openvino here; no onnxruntime here'),
        (CPU, 'fp16', 'no onnxruntime here'),
        ({TENSORRT}, 'fp16', 'no onnxruntime here'),
    ],
)
def test_choose__nothing_runs_the_file(machine, held, reason, policy):
    with pytest.raises(EngineError) as error:
        chosen(machine, held, Wish(provider_policy=policy))
    assert str(error.value) == reason


@pytest.mark.parametrize('engine', ENGINES)
@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('precision', PRECISIONS)
@pytest.mark.parametrize('held', ['fp32', 'fp16', 'int8'])
def test_choose__on_any_wish(engine, device, precision, held):
    """A note tells of every unmet wish; neither bf16 nor TensorRT ever comes unasked."""
    wish = Wish(engine, device, precision, provider_policy='fallback')
    way, note = chosen(GPU, held, wish)
    assert held in WAYS[way]
    assert bool(note) == (wish.count_met(way, held) < 3)
    assert 'bf16' not in way.precision or way.precision == precision
    assert way.device != 'tensorrt' or device == 'tensorrt'


@pytest.mark.parametrize(
    ('held', 'engine', 'device', 'expected'),
    [
        ('fp32', 'openvino', 'cpu', ['fp32', 'bf16']),
        ('fp32', 'onnxruntime', 'auto', ['fp32']),
        ('fp32', 'onnxruntime', 'tensorrt', ['fp16']),
        ('fp32', 'openvino', 'cuda', []),
        ('int8', 'openvino', 'auto', ['int8', 'int8-bf16']),
        ('int8', 'auto', 'cpu', ['int8', 'int8-bf16']),
    ],
)
def test_precisions_of(held, engine, device, expected):
    assert precisions_of(held, engine=engine, device=device) == expected


@pytest.mark.parametrize(
    ('wish', 'words'),
    [
        ({'engine': ''}, "engine must be one of auto, onnxruntime, openvino, got ''"),
        ({'device': 'gpu'}, "device must be one of auto, cpu, cuda, tensorrt, got 'gpu'"),
        ({'precision': 'int4'}, "precision must be one of .*int8-bf16, got 'int4'"),
        (
            {'provider_policy': 'lax', 'engine': 'auto'},
            "provider_policy must be one of strict, fallback, got 'lax'",
        ),
    ],
)
def test_wish__unknown_word(wish, words):
    with pytest.raises(EngineError, match=words):
        Wish(**wish)
