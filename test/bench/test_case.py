# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from panoptic_perception.bench.case import Case, all_cases, model_names


@pytest.mark.parametrize(
    ('models', 'expected'),
    [
        ([], []),
        (['a/x.onnx'], ['x']),
        (['a/x.onnx', 'a/y.onnx'], ['x', 'y']),
        (['a/x.onnx', 'b/x.onnx', 'y.onnx'], ['a/x.onnx', 'b/x.onnx', 'y']),
        (['a/x.onnx', 'a/x.onnx'], ['x']),
    ],
)
def test_model_names(models, expected):
    assert list(model_names([Path(model) for model in models]).values()) == expected


def test_all_cases__every_combination_once_threads_change_fastest():
    cases = all_cases(
        [Path('x.onnx'), Path('x.onnx')],
        engines=['onnxruntime', 'openvino'],
        devices=['cpu'],
        precisions=['auto'],
        threads=[1, 2, 1],
    )
    assert [(case.engine, case.threads) for case in cases] == [
        ('onnxruntime', 1),
        ('onnxruntime', 2),
        ('openvino', 1),
        ('openvino', 2),
    ]


def test_all_cases__all_precisions_of_the_file(tiny_model):
    cases = all_cases(
        [tiny_model],
        engines=['onnxruntime', 'openvino'],
        devices=['cpu'],
        precisions=None,
        threads=[1],
    )
    assert [(case.engine, case.precision) for case in cases] == [
        ('onnxruntime', 'fp32'),
        ('openvino', 'fp32'),
        ('openvino', 'bf16'),
    ]


@pytest.mark.parametrize(
    ('wishes', 'text'),
    [
        (('auto', 'auto', 'auto'), 'road threads=2'),
        (('openvino', 'cpu', 'bf16'), 'road openvino cpu bf16 threads=2'),
    ],
)
def test_str__what_was_asked_for(wishes, text):
    assert str(Case('road', Path('road.onnx'), *wishes, threads=2)) == text
