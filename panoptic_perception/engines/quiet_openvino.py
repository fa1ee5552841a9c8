# SPDX-License-Identifier: Apache-2.0
"""Import OpenVINO so that it computes and does nothing else, and start it once."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import openvino


def import_openvino() -> Any:
    """Return the module, with its telemetry off; raise ImportError where it is not installed."""
    # Its import reports to a server: look-ups in the network, a child process, files in the home
    # folder, and a thread that holds up the end of the program. Without the package that does
    # so, OpenVINO takes a stub of its own.
    modules: dict[str, Any] = sys.modules
    modules.setdefault('openvino_telemetry', None)
    import openvino

    return openvino


def openvino_core() -> openvino.Core:
    """
    Return the one Core of this process; raise ImportError, or what OpenVINO raises at its start.

    Each Core gives its thread a stack for signals, on CPUs with AMX, and puts the one before it
    back when it ends. If the older of two ends first, the younger one puts back memory that is
    gone, and the next signal kills the process.
    """
    return _core_of(import_openvino())


@cache
def _core_of(module: Any) -> openvino.Core:
    return module.Core()
