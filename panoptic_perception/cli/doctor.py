# SPDX-License-Identifier: Apache-2.0
"""`panoptic doctor`: look at everything the package needs and name the cure of what is missing."""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from panoptic_perception.cli.common import add_model_option
from panoptic_perception.core.errors import StatedError

HELP = 'check this machine and name the cure of what is missing'
DESCRIPTION = """\
Check Python, the libraries, the model, ROS 2 and its settings. A red line is something that must
be mended before the package can work here, a yellow one is something to know. The exit code is 1
if a line is red. Missing ROS 2 is yellow: `panoptic run` and `panoptic bag` do without."""

_COLOURS = {'ok': '32', 'note': '33', 'FAIL': '31'}
_ROS_CURE = 'source /opt/ros/DISTRO/setup.bash, or run `make setup` and use .venv/bin/panoptic'
# Their compiled libraries, cv_bridge among them, do not load with NumPy 2.
_NUMPY_1_DISTROS = ('humble', 'iron', 'jazzy', 'kilted')
_MESSAGES = ('sensor_msgs', 'vision_msgs', 'diagnostic_msgs', 'rosgraph_msgs', 'std_srvs')


class Finding(NamedTuple):
    """One line of the report; `level` is 'ok', 'note' or 'FAIL'."""

    level: str
    subject: str
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `panoptic doctor`."""
    add_model_option(parser)


def main(args: argparse.Namespace) -> int:
    """Run the command; return 1 if something needed is broken."""
    findings = []
    for finding in examine(args.model):
        findings.append(finding)
        print(f'{_painted(finding.level)} {finding.subject:<17} {finding.text}', flush=True)
    return 1 if any(finding.level == 'FAIL' for finding in findings) else 0


def examine(model: Path | None) -> Iterator[Finding]:
    """Yield the findings about this machine, one check after the other."""
    yield _python()
    yield _library('numpy', '1.26', _pip())
    yield _library('rosbags', '0.11', _pip('rosbags'))
    yield _library('tqdm', '4.0', _pip('tqdm'))
    # Without NumPy all of these fail, and each would name the wrong cure.
    if 'numpy' in sys.modules:
        yield _library('cv2', '4.5', _pip("'opencv-python-headless<5'"))
        yield _library('onnx', '1.16', _pip('onnx'))
        # What looks at the engines needs both.
        if {'cv2', 'onnx'} <= sys.modules.keys():
            yield from _engines()
        yield _model(model)
        yield from _ros()
    yield from _middleware()


def _painted(level: str) -> str:
    text = f'{level:<5}'
    return f'\033[{_COLOURS[level]}m{text}\033[0m' if sys.stdout.isatty() else text


def _python() -> Finding:
    found = '.'.join(map(str, sys.version_info[:3]))
    return Finding('ok', 'Python', f'{found} ({sys.executable})')


def _library(name: str, least: str, cure: str) -> Finding:
    # Here as below: a library whose parts do not fit fails to import with an error of any kind.
    try:
        module = importlib.import_module(name)
        found = getattr(module, '__version__', None) or version(name)
    except Exception as error:
        return Finding('FAIL', name, f'cannot be imported ({error}): {cure}')
    if _numbers(found) < _numbers(least):
        return Finding('FAIL', name, f'{found} is older than {least}: {cure}')
    return Finding('ok', name, found)


def _pip(*packages: str) -> str:
    """Return the command that installs packages and keeps the NumPy that a sourced ROS needs."""
    old = os.environ.get('ROS_DISTRO') in _NUMPY_1_DISTROS
    return ' '.join(('pip install', *packages, "'numpy>=1.26,<2'" if old else "'numpy>=1.26'"))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split('.')[:2] if part.isdigit())


def _engines() -> list[Finding]:
    """Report the engines: a missing one is red only if the other is missing, too."""
    findings = [_onnxruntime(), _openvino()]
    if any(finding.level == 'ok' for finding in findings):
        return findings
    return [finding._replace(level='FAIL') for finding in findings]


def _onnxruntime() -> Finding:
    try:
        import onnxruntime
    except Exception as error:
        cure = _pip('onnxruntime')
        return Finding('note', 'onnxruntime', f'cannot be imported ({error}): {cure}')
    providers = ', '.join(onnxruntime.get_available_providers())
    return Finding('ok', 'onnxruntime', f'{onnxruntime.__version__}, providers: {providers}')


def _openvino() -> Finding:
    try:
        from panoptic_perception.engines.quiet_openvino import import_openvino

        openvino = import_openvino()
    except Exception as error:
        why = f'cannot be imported ({error}), so int8 files run slower and bf16 is not to be had'
        return Finding('note', 'openvino', f'{why}: {_pip("openvino")}')
    return Finding('ok', 'openvino', openvino.__version__)


def _model(path: Path | None) -> Finding:
    try:
        from panoptic_perception.engines import find_model, load_engine
        from panoptic_perception.runtime.perceiver import Perceiver

        engine = Perceiver(load_engine(find_model(path))).engine
        steady_ms = min(engine.warm_up() for _ in range(3))
    except StatedError as error:
        return Finding('FAIL', 'model', str(error))
    except Exception as error:
        return Finding('FAIL', 'model', f'cannot be tried ({error}): mend the red lines above')
    width, height = engine.model.input_wh
    info = engine.info
    text = (
        f'{engine.model.path} answers in {steady_ms:.0f} ms ({width}x{height},'
        f' {info.engine} {info.provider}, {info.precision}, {info.threads} threads)'
    )
    return Finding(
        'note' if info.note else 'ok', 'model', ': '.join(filter(None, (text, info.note)))
    )


def _ros() -> Iterator[Finding]:
    try:
        importlib.import_module('rclpy')
    except Exception as error:
        yield Finding('note', 'ROS 2', f'rclpy cannot be imported ({error}): {_ROS_CURE}')
        return
    yield Finding('ok', 'ROS 2', os.environ.get('ROS_DISTRO', 'rclpy from Python packages'))
    for package in _MESSAGES:
        yield from _messages(package)
    yield _ament_prefix_path()


def _messages(package: str) -> Iterator[Finding]:
    """Name a message package only if it is missing or broken."""
    try:
        importlib.import_module(f'{package}.msg' if package != 'std_srvs' else 'std_srvs.srv')
    except Exception as error:
        cure = f'sudo apt install ros-$ROS_DISTRO-{package.replace("_", "-")}, or `make setup`'
        yield Finding('FAIL', package, f'cannot be imported ({error}): {cure}')


def _ament_prefix_path() -> Finding:
    prefixes = [p for p in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if p]
    index = 'share/ament_index/resource_index/packages/panoptic_perception'
    found = [prefix for prefix in prefixes if (Path(prefix) / index).exists()]
    if found:
        return Finding('ok', 'AMENT_PREFIX_PATH', f'finds panoptic_perception in {found[0]}')
    return Finding(
        'note',
        'AMENT_PREFIX_PATH',
        'does not lead to panoptic_perception: before `ros2 run` and `ros2 launch`, source'
        ' install/setup.bash of your workspace',
    )


def _middleware() -> Iterator[Finding]:
    """Report the settings that decide whether two ROS processes see each other."""
    rmw = os.environ.get('RMW_IMPLEMENTATION', "not set: the distribution's default")
    yield Finding('ok', 'RMW', rmw)
    yield _domain(os.environ.get('ROS_DOMAIN_ID', '0'))
    yield _shared_memory(shutil.disk_usage)
    yield _dds_profile()


def _domain(text: str) -> Finding:
    if not text.isdigit() or int(text) > 232:
        return Finding('FAIL', 'ROS_DOMAIN_ID', f'{text!r} is not a number from 0 to 232')
    if int(text) > 101:
        return Finding(
            'note',
            'ROS_DOMAIN_ID',
            f'{text} may collide with ports that Linux hands out: use 0 to 101',
        )
    shared = ' (shared with everybody on this network who set none)' if text == '0' else ''
    return Finding('ok', 'ROS_DOMAIN_ID', f'{text}{shared}')


def _shared_memory(usage: Callable[[str], shutil._ntuple_diskusage]) -> Finding:
    try:
        megabytes = usage('/dev/shm').total / 2**20
    except OSError as error:
        return Finding('note', '/dev/shm', f'not usable ({error.strerror}): DDS falls back to UDP')
    if megabytes < 128:
        return Finding(
            'note',
            '/dev/shm',
            f'{megabytes:.0f} MB is little for camera images: `docker run --shm-size=512m`',
        )
    return Finding('ok', '/dev/shm', f'{megabytes:.0f} MB')


def _dds_profile() -> Finding:
    for name in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        path = os.environ.get(name)
        if path and not Path(path).is_file():
            return Finding('FAIL', 'DDS profile', f'{name} names {path}, which does not exist')
        if path:
            return Finding('ok', 'DDS profile', f'{path} ({name})')
    return Finding(
        'note',
        'DDS profile',
        'none: raw best-effort images over Fast DDS get lost; use image_reliability: reliable,'
        ' image_transport: compressed, or config/fastdds_shm.xml for publisher and node',
    )
