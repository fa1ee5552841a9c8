# SPDX-License-Identifier: Apache-2.0
"""Describe the machine that a measurement was made on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ('numpy', 'opencv-python-headless', 'opencv-python', 'onnxruntime', 'openvino')


def describe_machine() -> dict[str, Any]:
    """Return the CPU's name, the cores this process may use, the load, and versions."""
    return {
        'cpu': _cpu_name(),
        'cores': len(os.sched_getaffinity(0)),
        'load_average': [round(load, 2) for load in os.getloadavg()],
        'system': platform.platform(terse=True),
        'versions': {'python': platform.python_version(), **_versions()},
    }


def _cpu_name() -> str:
    """Return the name that Linux gives the CPU; other systems and some ARM boards give none."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.machine()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
