# SPDX-License-Identifier: Apache-2.0
"""Which settings are places on a machine: files travel with their names only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

PATHS = (
    'data', 'synthetic', 'cache', 'warm_start', 'start', 'refit', 'distillation.teacher',
    'distillation.unlabelled',
)  # fmt: skip


def without_folders(values: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    """Return plain settings of whose paths only the names are left: which, but not where."""
    return {
        k: without_folders(v, f'{prefix}{k}.')
        if isinstance(v, Mapping)
        else Path(v).name
        if f'{prefix}{k}' in PATHS
        else v
        for k, v in values.items()
    }
