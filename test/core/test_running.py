# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from panoptic_perception.core.errors import StatedError
from panoptic_perception.core.running import run_command


@pytest.mark.parametrize(
    ('error', 'code', 'words'),
    [
        (None, 7, ''),
        (StatedError('too small'), 2, 'tool: error: too small\n'),
        (KeyError('of ours'), None, ''),
        (LookupError('told'), 2, 'tool: error: told\n'),
        (FileNotFoundError(2, 'No such file', 'a.txt'), 2, 'tool: error: a.txt: No such file\n'),
        (OSError('no room'), 2, 'tool: error: no room\n'),
        (ImportError('gone', name='onnx'), 2, 'onnx cannot be imported (gone): install it\n'),
        (KeyboardInterrupt(), 130, 'tool: interrupted\n'),
    ],
)
def test_run_command(capsys, error, code, words):
    def command():
        if error is not None:
            raise error
        return 7

    stated = IndexError if code is None else LookupError
    if code is None:
        with pytest.raises(KeyError):
            run_command('tool', command, cure='install it', stated=stated)
    else:
        assert run_command('tool', command, cure='install it', stated=stated) == code
    assert capsys.readouterr().err.endswith(words)


def test_run_command__cleans_up_after_a_kill(tmp_path):
    code = (
        'import sys, time; from panoptic_perception.core.running import run_command\n'
        'from panoptic_perception.core.files import whole_file; from pathlib import Path\n'
        'def command():\n'
        '    with whole_file(Path(sys.argv[1])) as part:\n'
        '        part.touch()\n'
        '        print("begun", flush=True)\n'
        '        time.sleep(60)\n'
        'sys.exit(run_command("tool", command, cure=""))\n'
    )
    process = subprocess.Popen(
        [sys.executable, '-c', code, str(tmp_path / 'out')], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b'begun\n'
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 128 + signal.SIGTERM
    process.stdout.close()
    assert list(tmp_path.iterdir()) == []
