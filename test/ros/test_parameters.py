# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import DescribeParameters, GetParameters

from panoptic_perception.core.results import Thresholds
from panoptic_perception.ros.parameters import (
    FIELDS,
    ParameterError,
    Settings,
    descriptor,
    unknown_override_warnings,
)


@pytest.mark.parametrize(
    ('name', 'value', 'stored'),
    [
        ('model', '/a/b.onnx', '/a/b.onnx'),
        ('score_threshold', -1.0, -1.0),
        ('score_threshold', 0.0, 0.0),
        ('score_threshold', 1, 1.0),
        ('input_timeout_s', 3600, 3600.0),
        ('threads', 0, 0),
        ('max_age_ms', 3_600_000, 3_600_000),
        ('image_transport', 'compressed', 'compressed'),
        ('autostart', False, False),
    ],
)
def test_changed(name, value, stored):
    found = getattr(Settings().changed({name: value}), name)
    assert found == stored
    assert type(found) is type(stored)


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'score_threshold': -0.5}, 'score_threshold must be -1 or 0 to 1, got -0.5'),
        ({'score_threshold': 1.01}, 'score_threshold must be -1 or 0 to 1, got 1.01'),
        ({'score_threshold': float('nan')}, 'score_threshold must be -1 or 0 to 1, got nan'),
        ({'overlay_rate_hz': float('inf')}, 'overlay_rate_hz must be 0.1 to 60, got inf'),
        ({'threads': 65}, 'threads must be 0 to 64, got 65'),
        ({'threads': 2.0}, 'threads must be of type int, got 2.0 of type float'),
        ({'threads': True}, 'threads must be of type int, got True of type bool'),
        ({'autostart': 1}, 'autostart must be of type bool, got 1 of type int'),
        ({'model': None}, 'model must be of type str, got None of type NoneType'),
        ({'image_transport': 'zip'}, "image_transport must be one of raw, compressed, got 'zip'"),
        ({'engine': ''}, "engine must be one of auto, onnxruntime, openvino, got ''"),
        ({'threads': 4, 'image_depth': 0}, 'image_depth must be 1 to 100, got 0'),
    ],
)
def test_changed__refuses_all_with_the_reason(changes, reason):
    settings = Settings()
    with pytest.raises(ParameterError) as error:
        settings.changed(changes)
    assert str(error.value) == reason
    assert settings == Settings()


@pytest.mark.parametrize('name', FIELDS)
def test_default__is_legal_and_described(name):
    default = getattr(Settings(), name)
    assert getattr(Settings().changed({name: default}), name) == default
    description = descriptor(name)
    assert description.description
    for value_range in (*description.floating_point_range, *description.integer_range):
        assert value_range.from_value <= default <= value_range.to_value


def test_descriptor():
    assert descriptor('autostart').read_only
    assert not descriptor('model').read_only
    assert descriptor('device').additional_constraints == 'one of auto, cpu, cuda, tensorrt'
    threshold = descriptor('lane_threshold')
    assert threshold.additional_constraints == '-1 or 0 to 1'
    assert threshold.floating_point_range[0].from_value == -1.0
    assert descriptor('threads').integer_range[0].to_value == 64


def test_thresholds__unset_ones_come_from_the_model():
    model = Thresholds(score=0.3, drivable=0.5, lane=0.6)
    assert Settings().thresholds(model) == model
    settings = Settings(score_threshold=0.0, lane_threshold=0.2)
    assert settings.thresholds(model) == Thresholds(score=0.0, drivable=0.5, lane=0.2)


def test_unknown_override_warnings():
    known = ['score_threshold', 'threads', 'model']
    assert unknown_override_warnings([], known) == []
    assert unknown_override_warnings(['zzz', 'scor_treshold'], known)[0] == (
        "parameter 'scor_treshold' is not known and was ignored; "
        "the closest one is 'score_threshold'"
    )


def test_node__declares_the_table_and_refuses_with_reasons(start_node, peer, tiny_model, scene):
    start_node(model=tiny_model, score_threshold=1)
    peer.wait_active()
    described = peer.call(
        DescribeParameters,
        '/panoptic_perception/describe_parameters',
        DescribeParameters.Request(names=list(FIELDS)),
    ).descriptors
    assert [d.description for d in described] == [descriptor(name).description for name in FIELDS]

    assert peer.set_parameters(score_threshold=0)[0].successful  # an integer for a double
    refused = peer.set_parameters(
        max_age_ms=-1,
        mask_resolution='huge',
        drivable_threshold=-0.5,
        lane_threshold='high',
        autostart=False,
        model='/other.onnx',
        overlay_rate_hz=float('nan'),
    )
    assert not any(result.successful for result in refused)
    assert all(result.reason for result in refused)
    reasons = ' | '.join(result.reason for result in refused)
    assert 'mask_resolution must be one of source, model' in reasons
    assert 'model can be changed only while the node is unconfigured' in reasons

    assert not peer.set_parameters_atomically(max_age_ms=50, lane_threshold=-0.5).successful
    assert peer.set_parameters_atomically(threads=0, lane_threshold=0.25).successful
    names = ['score_threshold', 'max_age_ms', 'lane_threshold', 'model']
    values = peer.call(
        GetParameters,
        '/panoptic_perception/get_parameters',
        GetParameters.Request(names=names),
    ).values
    assert values[0].type in (ParameterType.PARAMETER_INTEGER, ParameterType.PARAMETER_DOUBLE)
    assert values[1].integer_value == 0
    assert values[2].double_value == 0.25
    assert values[3].string_value == str(tiny_model)


def test_node__reports_misspelt_overrides(start_node, peer, tiny_model, tmp_path: Path):
    file = tmp_path / 'parameters.yaml'
    file.write_text('/**:\n  ros__parameters:\n    use_sim_time: false\n    image_dept: 3\n')
    node = start_node('--params-file', str(file), model=tiny_model, maskresolution='model')
    peer.wait_active()
    assert (
        "'image_dept' is not known and was ignored; the closest one is 'image_depth'" in node.log
    )
    assert "the closest one is 'mask_resolution'" in node.log
    assert 'use_sim_time' not in node.log
    assert node.stop() == 0
