# SPDX-License-Identifier: Apache-2.0
"""Style, formatting and types of the whole repository; settings in pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    'command', [['ruff', 'check'], ['ruff', 'format', '--check'], ['mypy']], ids=' '.join
)
def test_linter(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, '-m', *command], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_source_file_names_its_licence() -> None:
    folders = ('panoptic_perception', 'model_tools', 'launch', 'packaging', 'test')
    files = [file for folder in folders for file in (ROOT / folder).rglob('*.py')]
    files.append(ROOT / 'setup.py')
    line = '# SPDX-License-Identifier: Apache-2.0\n'
    assert [str(file) for file in files if not file.read_text().startswith(line)] == []
