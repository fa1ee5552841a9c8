# SPDX-License-Identifier: Apache-2.0
"""Say in one sentence what this machine lacks for `make setup`; runs on old Pythons too."""

import importlib.util
import os
import shutil
import sys
import sysconfig


def missing_part() -> 'str | None':
    """Return the sentence, or None where everything needed is there."""
    found = '.'.join(map(str, sys.version_info[:3]))
    if sys.version_info < (3, 10):
        return (
            f'Python 3.10 or newer is needed, {sys.executable} is Python {found}: '
            'name another one, for example `make PYTHON=python3.11 setup`'
        )
    if not all(importlib.util.find_spec(name) for name in ('venv', 'ensurepip')):
        return (
            f'Python {found} has no venv module: install it '
            '(Debian and Ubuntu: apt-get install python3-venv)'
        )
    if not os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h')):
        return (
            f'the headers of Python {found} are missing, and vision_msgs is compiled against '
            'them: install them (Debian and Ubuntu: apt-get install python3-dev)'
        )
    for variable, default in (('CC', 'cc'), ('CXX', 'c++')):
        compiler = os.environ.get(variable) or default
        if not shutil.which(compiler.split()[0]):
            return (
                f'there is no compiler {compiler!r}, and vision_msgs is compiled here: install '
                'one (Debian and Ubuntu: apt-get install build-essential) or name it '
                f'by {variable}'
            )
    return None


if __name__ == '__main__':
    sentence = missing_part()
    if sentence:
        sys.exit(f'set-up: error: {sentence}')
