# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: the rules that keep the core free of ROS and the vehicle free of torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROS = {'rclpy', 'launch', 'launch_ros', 'builtin_interfaces', 'rcl_interfaces', 'std_srvs'}
TORCH = {'torch', 'torchvision', 'onnxscript'}


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob('*.py'))


def imports(file: Path, *, lazy: bool = True) -> Iterator[str]:
    """Yield the dotted names that a module imports; lazy ones stand inside functions."""
    pending: list[ast.AST] = [ast.parse(file.read_text(encoding='utf-8'))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(file, node)
            yield from (f'{module}.{alias.name}' for alias in node.names)
        elif is_type_checking(node) or (isinstance(node, ast.FunctionDef) and not lazy):
            continue
        pending.extend(ast.iter_child_nodes(node))


def absolute(file: Path, node: ast.ImportFrom) -> str:
    """Return the module that an import names, written from the root if it is relative."""
    if not node.level:
        return node.module or ''
    package = file.relative_to(ROOT).parts[: -node.level]
    return '.'.join([*package, *filter(None, [node.module])])


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == 'TYPE_CHECKING'


def is_ros(name: str) -> bool:
    top = name.partition('.')[0]
    return top in ROS or top.endswith('_msgs')


def below(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f'{package}.') for package in packages)


def violations(files: list[Path], is_forbidden, *, lazy: bool = True) -> list[str]:
    return [
        f'{file.relative_to(ROOT)} imports {name}'
        for file in files
        for name in imports(file, lazy=lazy)
        if is_forbidden(name)
    ]


@pytest.mark.parametrize(
    ('text', 'everywhere', 'at_import'),
    [
        ('', [], []),
        ('import a.b, c', ['a.b', 'c'], ['a.b', 'c']),
        ('from a import b', ['a.b'], ['a.b']),
        ('def f():\n    import a', ['a'], []),
        ('class C:\n    from a import b', ['a.b'], ['a.b']),
        ('if TYPE_CHECKING:\n    import a', [], []),
    ],
)
def test_imports(tmp_path: Path, text: str, everywhere: list[str], at_import: list[str]) -> None:
    file = tmp_path / 'module.py'
    file.write_text(text)
    assert sorted(imports(file)) == everywhere
    assert sorted(imports(file, lazy=False)) == at_import


def test_absolute() -> None:
    file = ROOT / 'a' / 'b' / 'c.py'
    texts = ['from x.y import z', 'from .d import z', 'from . import z', 'from ..e import z']
    nodes = [ast.parse(text).body[0] for text in texts]
    assert [absolute(file, node) for node in nodes] == ['x.y', 'a.b.d', 'a.b', 'a.e']


@pytest.mark.parametrize('package', ['core', 'engines', 'runtime', 'bench', 'bags'])
def test_pure_packages_are_free_of_ros(package: str) -> None:
    files = modules(f'panoptic_perception/{package}')
    assert files
    assert violations(files, is_ros) == []
    assert violations(files, lambda name: below(name, 'panoptic_perception.ros')) == []


def test_only_the_ros_package_imports_ros() -> None:
    ros = ROOT / 'panoptic_perception' / 'ros'
    files = [file for file in modules('panoptic_perception') if ros not in file.parents]
    assert violations(files, is_ros) == []
    eager = violations(files, lambda name: below(name, 'panoptic_perception.ros'), lazy=False)
    assert eager == []


def test_core_imports_only_core() -> None:
    def is_other(name: str) -> bool:
        return below(name, 'panoptic_perception') and not below(name, 'panoptic_perception.core')

    assert violations(modules('panoptic_perception/core'), is_other) == []


def test_vehicle_half_is_free_of_torch_and_model_tools() -> None:
    files = modules('panoptic_perception')
    assert violations(files, lambda name: below(name, *TORCH, 'model_tools')) == []


def test_model_tools_uses_no_ros_bags_or_command_line() -> None:
    def is_other(name: str) -> bool:
        # What is scored is what runs on the vehicle, so the perceiver is shared too.
        allowed = [f'panoptic_perception.{part}' for part in ('core', 'engines', 'runtime')]
        return below(name, 'panoptic_perception') and not below(name, *allowed)

    assert violations(modules('model_tools'), is_other) == []
    assert violations(modules('model_tools'), is_ros) == []


def test_synthetic_drives_are_free_of_torch() -> None:
    files = modules('model_tools/data/synthetic')
    assert files
    assert violations(files, lambda name: below(name, *TORCH)) == []


def test_command_line_and_synthetic_drives_load_without_torch_and_ros() -> None:
    code = (
        'import sys, panoptic_perception.cli.main, model_tools.cli, model_tools.data.synthetic;'
        'print(*sorted({name.partition(".")[0] for name in sys.modules}))'
    )
    loaded = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, timeout=60, check=True
    ).stdout.split()
    assert [name for name in loaded if name in TORCH or is_ros(name)] == []
