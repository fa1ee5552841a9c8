# SPDX-License-Identifier: Apache-2.0
"""The first commands of docs/training.md, as they stand there: from nothing to results."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model_tools.data.problems import Problems
from model_tools.data.readers import open_data, read_samples
from model_tools.evaluation.predictors import make_predictors
from model_tools.evaluation.protocol import load_protocols
from model_tools.export.suppression import MAX_BOXES, SCORE_FLOOR
from panoptic_perception.engines import read_model

ROOT = Path(__file__).parents[2]
MODULES = {'model_tools': 'model_tools.cli', 'panoptic': 'panoptic_perception.cli.main'}


def _commands():
    """Return the lines of the first block of the document."""
    block = re.search(r'```\n(.*?)```', (ROOT / 'docs' / 'training.md').read_text(), re.DOTALL)
    return block[1].splitlines()


@pytest.fixture(scope='module')
def workplace(tmp_path_factory):
    """Run the commands in an empty folder, each in a process of its own."""
    folder = tmp_path_factory.mktemp('workflow')
    (folder / 'config').symlink_to(ROOT / 'config')
    # Threads lose much where other processes are busy.
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    for line in _commands():
        name, *arguments = shlex.split(line)
        command = [sys.executable, '-m', MODULES[name], *arguments]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f'{line}: {done.stderr}'
        (folder / f'{arguments[0]}.txt').write_text(done.stdout)
    return folder


@pytest.fixture(scope='module')
def summary(workplace):
    return json.loads((workplace / 'results' / 'summary.json').read_text())


def test_workflow__every_stage_is_there():
    stages = [' '.join(line.split()[:2]) for line in _commands()]
    assert stages == [
        'model_tools synthesize',
        'model_tools synthesize',
        'model_tools train',
        'model_tools evaluate',
        'model_tools export',
        'panoptic run',
    ]
    assert sum(int(re.search(r'--frames (\d+)', line)[1]) for line in _commands()[:2]) == 200


def test_workflow__losses_fall(workplace):
    lines = (workplace / 'run' / 'metrics.jsonl').read_text().splitlines()
    first, *_, last = map(json.loads, lines)
    assert last['drivable'] < 0.6 * first['drivable']
    assert last['lane'] < 0.85 * first['lane']
    assert last['class'] < 0.9 * first['class']
    assert last['box'] < 0.9 * first['box']


def test_workflow__scores_are_better_than_chance(workplace):
    scores = json.loads((workplace / 'run' / 'scores.json').read_text())
    everything = scores['protocols']['dataset']['all']
    # To call every pixel road or lane would give 0.39 and 0.01.
    assert everything['drivable']['iou'] > 0.65
    assert everything['lane']['iou'] > 0.1
    assert everything['detection']['labels']['vehicle']['ap50'] > 0.02


def test_workflow__export_proves_and_describes_itself(workplace):
    model = read_model(workplace / 'run' / 'net.onnx')
    assert model.input_wh == (320, 192)
    assert model.metrics['scores']['all']['images'] == 40
    proof = re.search(
        r'(\d+) boxes of 40 images differ by', (workplace / 'export.txt').read_text()
    )
    assert int(proof[1]) > 0
    scores = json.loads((workplace / 'run' / 'scores.json').read_text())
    drivable = scores['protocols']['dataset']['all']['drivable']['iou']
    assert model.metrics['scores']['all']['drivable_iou'] == pytest.approx(drivable, abs=1e-3)


def test_workflow__file_answers_as_the_evaluated_checkpoint(workplace):
    overrides = {'score_floor': f'{SCORE_FLOOR}', 'max_boxes': f'{MAX_BOXES // 3}'}
    protocols = load_protocols(['dataset'], overrides)
    (checkpoint, _), (file, _) = (
        make_predictors(workplace / 'run' / name, protocols)[0] for name in ('last.pt', 'net.onnx')
    )
    twins, boxes = 0, 0
    for sample in read_samples(open_data(workplace / 'roads'), 'val', Problems(40)):
        a, b = checkpoint(sample.image, sample.name), file(sample.image, sample.name)
        same = np.abs(a.boxes[:, None] - b.boxes).max(2) < 1e-3
        same &= np.abs(a.scores[:, None] - b.scores) < 1e-5
        same &= a.labels[:, None] == b.labels
        twins, boxes = twins + same.any(0).sum(), boxes + len(b.boxes)
        for task in ('drivable', 'lane'):
            levels = [getattr(answer, task).astype(float) for answer in (a, b)]
            np.testing.assert_allclose(*levels, atol=1)
    assert boxes > 1000
    # Two boxes at the limit of NMS may fall on different sides of it.
    assert twins >= 0.999 * boxes


def test_workflow__vehicle_software_runs_the_file(workplace, summary):
    model = read_model(workplace / 'run' / 'net.onnx')
    assert (summary['results'], summary['failed']) == (40, 0)
    assert summary['model']['sha256'] == model.sha256
    assert summary['model']['labels'] == list(model.labels) == ['vehicle', 'person', 'cycle']
    results = sorted((workplace / 'results').glob('mixed_*.json'))
    assert len(results) == 40
    found = [
        box['label'] for path in results for box in json.loads(path.read_text())['detections']
    ]
    assert found
    assert set(found) <= set(model.labels)
    assert len(list((workplace / 'results').glob('*.overlay.jpg'))) == 40
