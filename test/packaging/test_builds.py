# SPDX-License-Identifier: Apache-2.0
"""Both builds, pip and colcon, put every file where its users look for it."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [
    'package.xml', 'setup.py', 'setup.cfg', 'pyproject.toml', 'LICENSE',
    'resource', 'launch', 'config', 'packaging', 'panoptic_perception', 'model_tools',
]  # fmt: skip
EXECUTABLES = {'panoptic_perception', 'panoptic', 'model_tools'}
BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, 'PATH': f'{BIN}{os.pathsep}{os.environ["PATH"]}'}
# The guard of the ROS wheels must not reach the Python of another environment.
ENVIRONMENT.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a copy of the sources, for a build leaves files beside them."""
    copy = tmp_path / 'src' / 'panoptic_perception'
    copy.mkdir(parents=True)
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy(ROOT / name, copy)
    return copy


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command to its end and return what it printed."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def share_files() -> dict[str, Path]:
    """Return the files that belong under share/panoptic_perception, by their path there."""
    files = [ROOT / 'package.xml', *ROOT.glob('launch/*.launch.py'), *ROOT.glob('config/*')]
    placed = {str(file.relative_to(ROOT)): file for file in files}
    models = ROOT / 'panoptic_perception' / 'models'
    return placed | {f'models/{file.name}': file for file in models.iterdir() if file.is_file()}


def assert_share(prefix: Path) -> None:
    expected = share_files()
    assert {
        'config/fastdds_shm.xml',
        'config/panoptic_perception.rviz',
        'config/panoptic_perception.yaml',
        'launch/panoptic_perception.launch.py',
        'models/panoptic.onnx',
        'package.xml',
    } <= set(expected)
    share = prefix / 'share' / 'panoptic_perception'
    for name, file in expected.items():
        assert filecmp.cmp(share / name, file, shallow=False), name
    index = prefix / 'share' / 'ament_index' / 'resource_index' / 'packages'
    assert (index / 'panoptic_perception').is_file()


def executables(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir() if os.access(file, os.X_OK)}


@pytest.mark.parametrize('options', [[], ['--symlink-install']], ids=['copy', 'symlink'])
def test_colcon_build(source: Path, tmp_path: Path, options: list[str]) -> None:
    colcon = shutil.which('colcon', path=ENVIRONMENT['PATH'])
    assert colcon, 'colcon is missing: pip install -r requirements/test.txt'

    run(colcon, 'build', *options, cwd=tmp_path)

    # One package only: the workspace takes vision_msgs from the ROS 2 distribution.
    assert {path.name for path in (tmp_path / 'install').iterdir() if path.is_dir()} == {
        'panoptic_perception'
    }
    prefix = tmp_path / 'install' / 'panoptic_perception'
    assert_share(prefix)
    assert executables(prefix / 'lib' / 'panoptic_perception') == EXECUTABLES
    launch_file = prefix / 'share/panoptic_perception/launch/panoptic_perception.launch.py'
    assert launch_file.is_symlink() == bool(options)
    answer = run(
        'bash',
        '-c',
        f'source install/setup.bash && {prefix}/lib/panoptic_perception/panoptic info --json',
        cwd=tmp_path,
    )
    assert Path(json.loads(answer)['path']).is_relative_to(tmp_path)


def test_pip_install(source: Path, tmp_path: Path) -> None:
    environment = tmp_path / 'environment'
    venv.create(environment, symlinks=True, with_pip=True)

    run(environment / 'bin' / 'pip', 'install', '--quiet', '--no-deps', source, cwd=tmp_path)

    assert_share(environment)
    assert executables(environment / 'bin') >= EXECUTABLES
    (site,) = environment.glob('lib/python3*/site-packages')
    package = site / 'panoptic_perception'
    assert (package / 'models' / 'panoptic.onnx').is_file()
    assert (package / 'demo' / 'synthetic_drive.mp4').is_file()
    assert (package / 'bags' / 'vision_msgs' / 'Detection2DArray.msg').is_file()
    # The third-party packages are those of the test environment, which has them all.
    (site / 'shared.pth').write_text(sysconfig.get_path('purelib'))
    answer = run(environment / 'bin' / 'panoptic', 'info', '--json', cwd=tmp_path)
    assert Path(json.loads(answer)['path']).is_relative_to(environment)
