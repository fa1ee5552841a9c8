# SPDX-License-Identifier: Apache-2.0
"""The manifest, setup.py, the requirements and the imports of the sources agree."""

from __future__ import annotations

import ast
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / 'package.xml'
FIRST_PARTY = {'panoptic_perception', 'model_tools'}
STARTED_BY_LAUNCH = {'rviz2'}
OPTIONAL = {'python3-matplotlib'}
"""Of the vehicle half: `panoptic bench` draws no plot without it."""
# rosdep keys of the imports that are not ROS packages; None: there is no key.
KEYS = {
    'cv2': 'python3-opencv',
    'google': None,  # protobuf, which comes with onnx
    'jinja2': 'python3-jinja2',
    'lightning_fabric': None,
    'matplotlib': 'python3-matplotlib',
    'networkx': 'python3-networkx',
    'nncf': None,
    'numpy': 'python3-numpy',
    'onnx': None,
    'onnxruntime': 'python3-onnxruntime-pip',
    'openvino': None,
    'rosbags': 'python3-rosbags-pip',
    'tabulate': 'python3-tabulate',
    'torch': 'python3-torch',
    'torch_pruning': None,
    'tqdm': 'python3-tqdm',
    'yaml': 'python3-yaml',
}


def imports(folder: str) -> Iterator[str]:
    """Yield the top-level name of every third-party import below a folder."""
    for file in sorted((ROOT / folder).rglob('*.py')):
        for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or '']
            else:
                continue
            for name in names:
                top = name.partition('.')[0]
                if top not in sys.stdlib_module_names | FIRST_PARTY:
                    yield top


@pytest.fixture(scope='module')
def manifest() -> ElementTree.Element:
    return ElementTree.parse(MANIFEST).getroot()


def test_manifest_is_format_3(manifest: ElementTree.Element) -> None:
    assert (manifest.tag, manifest.get('format')) == ('package', '3')
    assert 'package_format3.xsd' in MANIFEST.read_text()
    assert manifest.findtext('name') == 'panoptic_perception'
    assert manifest.findtext('license') == 'Apache-2.0'
    assert manifest.findtext('export/build_type') == 'ament_python'


def test_manifest_is_accepted_by_catkin_pkg() -> None:
    package = pytest.importorskip('catkin_pkg.package')
    warnings: list[str] = []
    parsed = package.parse_package(str(MANIFEST), warnings=warnings)
    parsed.validate(warnings=warnings)
    assert warnings == []


@pytest.mark.parametrize('folder', ['panoptic_perception', 'launch'])
def test_every_import_has_an_exec_depend(manifest: ElementTree.Element, folder: str) -> None:
    declared = {item.text for item in manifest.iter('exec_depend') if not item.get('condition')}
    needed = {KEYS.get(name, name) for name in imports(folder)} - {None} - OPTIONAL
    assert needed <= declared


def test_every_import_of_model_tools_has_an_exec_depend(manifest: ElementTree.Element) -> None:
    declared = {item.text for item in manifest.iter('exec_depend')}
    assert {KEYS.get(name, name) for name in imports('model_tools')} - {None} <= declared


def test_every_exec_depend_is_used(manifest: ElementTree.Element) -> None:
    declared = [item.text for item in manifest.iter('exec_depend')]
    folders = ('panoptic_perception', 'launch', 'model_tools')
    used = {KEYS.get(name, name) for folder in folders for name in imports(folder)}
    assert len(declared) == len(set(declared))
    assert set(declared) <= used | STARTED_BY_LAUNCH


def test_versions_agree(manifest: ElementTree.Element) -> None:
    version = manifest.findtext('version')
    assert f"version='{version}'" in (ROOT / 'setup.py').read_text()


@pytest.mark.parametrize(
    'file', sorted(ROOT.glob('requirements/*.txt')), ids=lambda file: file.name
)
def test_requirements_are_pinned(file: Path) -> None:
    lines = [line for line in file.read_text().splitlines() if line and line[0] != '#']
    assert lines
    for line in lines:
        assert re.fullmatch(r'[\w.-]+==[\w.]+(; .*)?', line), line


def test_message_texts_of_bags_and_wheel_are_the_same() -> None:
    wheel = ROOT / 'packaging' / 'vision_msgs' / 'msg'
    bags = ROOT / 'panoptic_perception' / 'bags' / 'vision_msgs'
    texts = {file.name: file.read_text() for file in wheel.glob('*.msg')}
    assert len(texts) == 16
    assert {file.name: file.read_text() for file in bags.glob('*.msg')} == texts
