# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
import signal
import time

import cv2
import pytest


def test_bench__the_shipped_models(panoptic, tmp_path):
    done = panoptic(
        'bench', '--engines', 'onnxruntime', '--devices', 'cpu', '--precisions', 'fp32', 'bf16',
        '--rounds', 2, '--json', tmp_path / 'bench.json', '--plot', tmp_path / 'bench.png',
        timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '[1/12] panoptic onnxruntime cpu fp32 threads=1: ready' in done.stderr
    assert re.search(
        r'^not measured: panoptic onnxruntime cpu bf16 threads=2: ', done.stdout, re.M
    )
    table = re.findall(r'^(\w+) +onnxruntime +CPU +fp32 +(\d)', done.stdout, re.MULTILINE)
    assert table == [(name, n) for name in ('panoptic', 'panoptic_fast') for n in '12']

    report = json.loads((tmp_path / 'bench.json').read_text())
    assert [row['threads'] for row in report['rows']] == [1, 2, 1, 2]
    assert len(report['missing']) == 8  # bf16 in all, and fp32 of the 8 bit file
    first = report['rows'][0]
    assert first['cpu_ratio'] == {'q1': 1, 'median': 1, 'q3': 1}
    assert len(first['samples']['cpu_ms']) == 2
    assert first['shares']['network'] > first['shares']['pre']
    assert sum(first['shares'].values()) == pytest.approx(1, abs=1e-3)
    # no real network is faster than the roof; the margin is for the noise of two rounds
    assert first['times_roof'] > 0.8
    assert first['peak_mb'] > 50
    assert first['first_result_s'] > 0.1
    if 'no plot' not in done.stderr:
        assert cv2.imread(str(tmp_path / 'bench.png')) is not None


def test_bench__a_stream(panoptic, tiny_model, tmp_path):
    done = panoptic(
        'bench', '--models', tiny_model, '--engines', 'onnxruntime', '--threads', 1,
        '--stream', 5, '--seconds', 1, '--json', tmp_path / 'stream.json', timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / 'stream.json').read_text())
    assert report['stream'] == {'rate_hz': 5, 'seconds': 1}
    (row,) = report['rows']
    assert row['offered'] == 5 == row['answered'] + row['dropped']
    assert 0 < row['p50_ms'] <= row['p99_ms']
    assert ' answered ' in done.stdout


def test_bench__nothing_to_measure_is_no_success(panoptic, tiny_model):
    done = panoptic('bench', '--models', tiny_model, '--precisions', 'int8', '--threads', 1)
    assert done.returncode == 1
    assert done.stdout.count('not measured: ') >= 1
    assert 'wall ms' not in done.stdout


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        ('--rounds 0', '--rounds: must be a whole number from 1 to 100000, got 0'),
        ('--threads -1', '--threads'),
        ('--threads two', 'must be a whole number from 1 to 100000, got two'),
        ('--stream nan', '--stream: must be above 0 and at most 3600, got nan'),
        ('--stream 0', 'must be above 0 and at most 3600, got 0'),
        ('--engines magic', '--engines does not know magic; choose from auto, onnxruntime'),
        ('--devices tpu', '--devices does not know tpu'),
        ('--precisions fp32 fp4', '--precisions does not know fp4'),
        ('--seconds 3', '--seconds works only with --stream'),
        ('--stream 5 --rounds 3', '--rounds works only without --stream'),
        ('--stream 5 --plot {tmp}/a.png', '--plot works only without --stream'),
        ('--plot {tmp}/a.xyz', '--plot must end in .png or .svg, got {tmp}/a.xyz'),
        ('--json {tmp}/none/a.json', '{tmp}/none is not a folder'),
        ('--json {tmp}', '{tmp} is a folder: name a file in it'),
        ('--models {tmp}/none.onnx', '{tmp}/none.onnx does not exist'),
        ('--json {tmp}/a.png --plot {tmp}/a.png', '{tmp}/a.png is named twice'),
    ],
)
def test_bench__bad_options_are_refused_in_one_sentence(panoptic, tmp_path, arguments, sentence):
    done = panoptic('bench', *arguments.format(tmp=tmp_path).split())
    assert (done.returncode, done.stdout) == (2, '')
    assert re.fullmatch(r'panoptic: error: [^\n]+\n', done.stderr)
    assert sentence.format(tmp=tmp_path) in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_bench__a_model_is_not_overwritten(panoptic, tiny_model):
    content = tiny_model.read_bytes()
    done = panoptic('bench', '--models', tiny_model, '--json', tiny_model)
    assert (done.returncode, done.stdout) == (2, '')
    assert f'{tiny_model} is named twice: it would be overwritten' in done.stderr
    assert tiny_model.read_bytes() == content


def test_bench__ctrl_c_ends_all_processes_quietly(start_panoptic, tiny_model):
    process = start_panoptic(
        'bench', '--models', tiny_model, '--engines', 'onnxruntime', '--rounds', 100_000
    )
    for line in process.stderr:
        if 'roof' in line:
            break
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert 'Traceback' not in stderr
