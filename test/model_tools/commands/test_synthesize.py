# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

import cv2
import pytest

from model_tools.cli import main


def run(*words):
    command = [sys.executable, '-m', 'model_tools.cli', *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_synthesize__writes_a_folder_and_a_sheet(tmp_path):
    out, sheet = tmp_path / 'set', tmp_path / 'sheet.png'
    size = ('--frames', 2, '--size', '96x64', '--split', 'val')
    done = run('synthesize', '--out', out, '--sheet', sheet, *size)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(out), str(sheet)]
    assert len(list((out / 'images' / 'val').iterdir())) == 2
    assert cv2.imread(str(sheet)).shape == (64 + 8, 3 * 96 + 16, 3)


def test_synthesize__writes_a_video_of_some_seconds(tmp_path):
    out = tmp_path / 'drive.mp4'
    words = ['--out', str(out), '--seconds', '0.5', '--fps', '8', '--size', '64x64']
    assert main(['synthesize', *words, '--scenario', 'night-fog']) == 0
    assert cv2.VideoCapture(str(out)).get(cv2.CAP_PROP_FRAME_COUNT) == 4


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        ([], 'nothing to write'),
        (['--out', 'x', '--frames', '0'], 'at least one frame'),
        (['--out', 'x', '--seconds', 'nan'], '--seconds is a time above 0'),
        (['--out', 'x', '--seconds', '-1'], '--seconds is a time above 0'),
        (['--out', 'x', '--fps', '0'], 'fps is above 0'),
        (['--out', 'x', '--size', '8x8'], '64 to 4096 pixels'),
        (['--out', 'x', '--scenario', 'snow'], "unknown scenario word 'snow'"),
        (['--out', 'x', '--scenario', 'night-glare'], 'needs a sun'),
    ],
)
def test_synthesize__malformed(words, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(['synthesize', *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith('model_tools: error: ')
    assert sentence in error
    assert error.count('\n') == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('words', [['--size', '640'], ['--frames', 'many'], ['--split', 'test']])
def test_synthesize__unreadable(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(['synthesize', '--out', 'x', *words])
    assert stop.value.code == 2
    assert 'error: argument' in capsys.readouterr().err
