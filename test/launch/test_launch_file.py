# SPDX-License-Identifier: Apache-2.0
"""The launch file: its arguments from its text, its description with the real launch_ros."""

from __future__ import annotations

import ast
import importlib.util
from collections import ChainMap
from pathlib import Path
from types import ModuleType

import pytest

from panoptic_perception.engines import DEVICES, ENGINES, PRECISIONS, PROVIDER_POLICIES

FILE = Path(__file__).parents[2] / 'launch' / 'panoptic_perception.launch.py'
SWITCH = ['true', 'false']
# Name: default and choices; None: any value.
ARGUMENTS = {
    'namespace': ('', None),
    'params_file': ('.../config/panoptic_perception.yaml', None),
    'model': ('', None),
    'engine': ('', ['', *ENGINES]),
    'device': ('', ['', *DEVICES]),
    'precision': ('', ['', *PRECISIONS]),
    'provider_policy': ('', ['', *PROVIDER_POLICIES]),
    'image': ('image', None),
    'image_transport': ('', ['', 'raw', 'compressed']),
    'use_sim_time': ('', ['', *SWITCH]),
    'autostart': ('', ['', *SWITCH]),
    'log_level': ('info', ['debug', 'info', 'warn', 'error', 'fatal']),
    'rviz': ('false', SWITCH),
}


def test_arguments_are_declared_and_described() -> None:
    tree = ast.parse(FILE.read_text())
    constants = {
        ast.unparse(line.targets[0]): ast.literal_eval(line.value)
        for line in tree.body
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.List)
    }
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == 'DeclareLaunchArgument'
    ]
    assert [ast.literal_eval(call.args[0]) for call in calls] == list(ARGUMENTS)
    for call in calls:
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        name = ast.literal_eval(call.args[0])
        assert ast.literal_eval(keywords['description']).endswith('.'), name
        choices = eval(ast.unparse(keywords.get('choices', ast.Constant(None))), {}, constants)
        assert choices == ARGUMENTS[name][1], name


@pytest.fixture(scope='module')
def launch_file() -> ModuleType:
    # Asked for first: the folder `launch` of this repository passes for a package of that name.
    pytest.importorskip(
        'launch_ros', reason='launch_ros is not on the package index: source a ROS 2 installation'
    )
    spec = importlib.util.spec_from_file_location('panoptic_perception_launch', FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_description_has_the_arguments(
    launch_file: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from launch import LaunchContext
    from launch.utilities import perform_substitutions

    register_package(tmp_path, monkeypatch)
    found = {}
    for argument in launch_file.generate_launch_description().get_launch_arguments():
        default = perform_substitutions(LaunchContext(), argument.default_value)
        share = str(tmp_path / 'share' / 'panoptic_perception')
        found[argument.name] = (default.replace(share, '...'), argument.choices)
    assert found == ARGUMENTS


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        ({}, {}),
        ({'model': '/models/1'}, {'model': '/models/1'}),
        (
            {'device': 'cuda', 'provider_policy': 'fallback'},
            {'device': 'cuda', 'provider_policy': 'fallback'},
        ),
        (
            {'use_sim_time': 'true', 'autostart': 'false'},
            {'use_sim_time': True, 'autostart': False},
        ),
        (
            {'image_transport': 'raw', 'use_sim_time': 'false'},
            {'image_transport': 'raw', 'use_sim_time': False},
        ),
    ],
)
def test_arguments_that_were_given_win_over_the_parameter_file(
    launch_file: ModuleType, arguments: dict[str, str], expected: dict[str, object]
) -> None:
    from launch import LaunchContext
    from launch_ros.utilities import evaluate_parameters

    context = LaunchContext()
    defaults = {name: default for name, (default, _) in ARGUMENTS.items()}
    context.launch_configurations.update({**defaults, **arguments})

    (node,) = launch_file.perception_node(context)

    parameter_file, *overrides = evaluate_parameters(context, node._Node__parameters)
    assert str(parameter_file) == '.../config/panoptic_perception.yaml'
    assert dict(ChainMap(*overrides)) == expected

    (rviz,) = launch_file.rviz(context)

    clock = {name: value for name, value in expected.items() if name == 'use_sim_time'}
    assert dict(ChainMap(*evaluate_parameters(context, rviz._Node__parameters))) == clock


def register_package(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make an ament prefix with the package in it and look there."""
    index = prefix / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    (index / 'panoptic_perception').touch()
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(prefix))
