# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import signal
import subprocess
import sys
import time

import cv2
import pytest

import panoptic_perception


def test_version(panoptic):
    done = panoptic('--version')
    assert (done.returncode, done.stdout) == (0, f'panoptic {panoptic_perception.__version__}\n')


@pytest.mark.parametrize(
    'command', ['run', 'bag', 'play', 'demo', 'info', 'doctor', 'bench', 'prepare']
)
def test_help__names_and_explains_every_command(panoptic, command):
    assert re.search(rf'^ +{command} ', panoptic('--help').stdout, re.MULTILINE)
    done = panoptic(command, '--help')
    assert done.returncode == 0
    assert done.stdout.startswith(f'usage: panoptic {command}')


def test_start__loads_no_heavy_library():
    code = (
        'import sys; from panoptic_perception.cli.main import main\n'
        'try: main(["--help"])\n'
        'except SystemExit: pass\n'
        'print({"cv2", "numpy", "onnx", "onnxruntime", "rosbags", "rclpy"} & set(sys.modules))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == 'set()'


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        ('', 'the following arguments are required: COMMAND'),
        ('fly', "invalid choice: 'fly'"),
        ('run', 'required: INPUT, --out'),
        ('run {images}', 'required: --out'),
        ('run {tmp}/none --out {out}', '{tmp}/none does not exist'),
        ('run {tmp}/empty --out {out}', '{tmp}/empty holds no image'),
        ('run {tmp}/notes.txt --out {out}', '{tmp}/notes.txt is neither an image'),
        ('run {tmp}/bad.mp4 --out {out}', '{tmp}/bad.mp4 cannot be read as a video'),
        ('run {tmp}/bad.mcap --out {out}', '{tmp}/bad.mcap'),
        ('run {images} --out {tmp}/notes.txt', '{tmp}/notes.txt is not a folder'),
        ('run {images} --out {tmp}/notes.txt/out', '{tmp}/notes.txt/out is not a folder'),
        ('run {images} --out /proc/out', '/proc/out'),
        ('run {images} --out {out} --save json,jsn', "unknown word 'jsn'; known: json, masks"),
        ('run {images} --out {out} --save video', 'needs a video or a bag, not {images}'),
        ('run {images} --out {images}', '{images} lies in the input folder {images}'),
        ('run {images} --out {images}/sub/out', 'lies in the input folder {images}'),
        ('demo {images} --out {images}/out', 'lies in the input folder {images}'),
        ('run {tmp}/silent.mcap --out {out}', 'has no message on /camera/image/compressed'),
        ('bag {tmp}/silent.mcap --out {out}.mcap', 'no message on /camera/image/compressed'),
        ('demo {tmp}/silent.mcap --out {out}', 'has no message on /camera/image/compressed'),
        ('play {tmp}/silent.mcap', 'nothing to play: it holds 0 messages on /camera/image/comp'),
        ('run {images} {images}/a.png --out {out}', "two images named 'a' .* overwrite"),
        ('run {images} --out {out} --model {tmp}/none.onnx', '{tmp}/none.onnx does not exist'),
        ('run {images} --out {out} --model {tmp}/notes.txt', '{tmp}/notes.txt'),
        ('run {images} --out {out} --engine magic', "engine must be one of .* got 'magic'"),
        ('run {images} --out {out} --device tpu', "device must be one of .* got 'tpu'"),
        ('run {images} --out {out} --precision fp4', "precision must be one of .* got 'fp4'"),
        ('run {images} --out {out} --threads -1', 'threads must be 0'),
        ('run {images} --out {out} --threads many', "--threads: invalid int value: 'many'"),
        ('bag {tmp}/none.mcap --out {out}.mcap', '{tmp}/none.mcap does not exist'),
        ('bag {images} --out {out}.mcap', '{images} is no recording'),
        ('bag {tmp}/bad.mcap --out {out}', '--out must end in .mcap'),
        ('bag {tmp}/bad.mcap --out {tmp}/bad.mcap', 'is the input itself'),
        ('bag {tmp}/bad.mcap --out {out}.mcap --inference-ms 5', 'only with --realtime-sim'),
        ('bag x --out y.mcap --realtime-sim --inference-ms nan', '0 and 60000, got nan'),
        ('bag x --out y.mcap --realtime-sim --inference-ms inf', '0 and 60000, got inf'),
        ('bag x --out y.mcap --realtime-sim --inference-ms -1', '0 and 60000, got -1'),
        ('bag x --out y.mcap --realtime-sim --inference-ms fast', "milliseconds value: 'fast'"),
        ('play {tmp}/none.mcap', '{tmp}/none.mcap does not exist'),
        ('play {tmp}/bad.mcap --rate 0', 'must lie between 0.01 and 100, got 0'),
        ('demo {tmp}/none.mp4 --out {out}', '{tmp}/none.mp4 does not exist'),
        ('demo {tmp}/empty --out {out}', '{tmp}/empty holds no image'),
        ('info {tmp}/none.onnx', '{tmp}/none.onnx does not exist'),
        ('info {tmp}', '{tmp} is not a'),
    ],
)
def test_errors__one_sentence_and_nothing_written(
    panoptic, tmp_path, folder, make_bag, tiny_model, arguments, sentence
):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'notes.txt').write_text('hello\n')
    (tmp_path / 'bad.mp4').write_bytes(b'hello' * 100)
    (tmp_path / 'bad.mcap').write_bytes(b'hello' * 100)
    make_bag([], name='silent.mcap')
    before = sorted(tmp_path.rglob('*'))
    places = {'tmp': tmp_path, 'images': folder, 'out': tmp_path / 'out'}
    words = arguments.format(**places).split()
    if words and words[0] in ('run', 'bag', 'demo') and '--model' not in words:
        words += ['--model', str(tiny_model)]
    done = panoptic(*words)
    assert done.returncode == 2
    assert done.stdout == ''
    # What runs may have been told before.
    assert re.fullmatch(r'(panoptic: tiny\.onnx on .+\n)?panoptic: error: .+\n', done.stderr)
    assert re.search(sentence.format(**places), done.stderr)
    left = set(tmp_path.rglob('*')) - set(before) - {tmp_path / 'out'}
    assert left == set()


@pytest.mark.parametrize(
    ('stop', 'code'), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
@pytest.mark.parametrize('command', ['run', 'bag'])
def test_stop__no_traceback_and_no_half_file(
    start_panoptic, make_bag, tmp_path, scene, tiny_model, command, stop, code
):
    bag = make_bag([scene] * 80)
    out = tmp_path / ('out' if command == 'run' else 'out.mcap')
    extra = ['--save', 'json,masks,overlay,video'] if command == 'run' else []
    process = start_panoptic(command, bag, '--out', out, '--model', tiny_model, *extra)
    deadline = time.monotonic() + 30
    started = out / 'drive_000002.json' if command == 'run' else None
    while time.monotonic() < deadline and process.poll() is None:
        if started.exists() if started else list(tmp_path.glob('.recording-*')):
            break
        time.sleep(0.01)
    process.send_signal(stop)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == code
    assert 'Traceback' not in stderr
    assert list(tmp_path.rglob('.*')) == []
    if command == 'bag':
        assert not out.exists()
    else:
        assert not (out / 'summary.json').exists()
        assert not (out / 'drive.overlay.mp4').exists()
        masks = sorted(out.glob('*.png'))
        assert masks
        assert all(cv2.imread(str(path), cv2.IMREAD_UNCHANGED) is not None for path in masks)


def test_output__a_reader_that_leaves_early_is_no_error(start_panoptic, tiny_model):
    process = start_panoptic('info', tiny_model, '--json')
    process.stdout.close()
    process.wait(timeout=30)
    assert process.stderr.read() == ''
