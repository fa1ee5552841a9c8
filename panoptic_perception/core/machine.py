# SPDX-License-Identifier: Apache-2.0
"""Describe the machine that a measurement was made on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    'numpy',
    'opencv-python-headless',
    'opencv-python',
    'onnxruntime',
    'onnxruntime-gpu',
    'openvino',
)
# The instructions that decide how fast a network can run, on x86 and on ARM.
_FEATURES = (
    'avx2',
    'avx512f',
    'avx512_vnni',
    'avx_vnni',
    'avx512_bf16',
    'avx512_fp16',
    'amx_int8',
    'amx_bf16',
    'asimd',
    'asimdhp',
    'asimddp',
    'i8mm',
    'bf16',
)


def describe_machine() -> dict[str, Any]:
    """Return processor, cores this process may use, governor, load average, and versions."""
    cpu, features = read_cpuinfo(_text(Path('/proc/cpuinfo')))
    return {
        'cpu': cpu or platform.machine(),
        'features': features,
        'cores': len(os.sched_getaffinity(0)),
        'governor': _text(Path('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor')).strip(),
        'load_average': load_average(),
        'system': platform.platform(terse=True),
        'versions': {'python': platform.python_version(), **_versions()},
    }


def load_average() -> list[float]:
    """Return the number of processes that want to run, over 1, 5 and 15 minutes."""
    return [round(load, 2) for load in os.getloadavg()]


def read_cpuinfo(text: str) -> tuple[str, list[str]]:
    """Return the name, '' where Linux gives none, and the features of the first processor."""
    entries: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(':')
        entries.setdefault(key.strip(), value.strip())
    flags = (entries.get('flags') or entries.get('Features') or '').split()
    return entries.get('model name', ''), [name for name in _FEATURES if name in flags]


def _text(path: Path) -> str:
    """Return what a system file says, '' where there is none."""
    try:
        return path.read_text(errors='replace')
    except OSError:
        return ''


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
