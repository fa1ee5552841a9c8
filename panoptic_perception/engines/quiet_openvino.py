# SPDX-License-Identifier: Apache-2.0
"""Import OpenVINO so that it computes and does nothing else."""

from __future__ import annotations

import sys
from typing import Any


def import_openvino() -> Any:
    """Return the module, with its telemetry off; raise ImportError where it is not installed."""
    # Its import reports to a server: look-ups in the network, a child process, files in the home
    # folder, and a thread that holds up the end of the program. Without the package that does
    # so, OpenVINO takes a stub of its own.
    modules: dict[str, Any] = sys.modules
    modules.setdefault('openvino_telemetry', None)
    import openvino

    return openvino
