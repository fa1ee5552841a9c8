# SPDX-License-Identifier: Apache-2.0
"""From each form in which data are distributed to scores: prepare, read, evaluate."""

import json
import shutil

import numpy as np
import pytest

from model_tools.cli import main
from model_tools.data.problems import Problems
from model_tools.data.readers import open_data, read_samples
from model_tools.evaluation.evaluate import evaluate
from model_tools.evaluation.grids import dilate_lane, label_on_grid
from model_tools.evaluation.prediction import TASKS, Prediction
from model_tools.evaluation.protocol import PROTOCOLS

DISTRIBUTED = ['2018_files', '2018_list', '2020_masks', '2020_polygons']
LABELS = ('vehicle', 'person', 'cycle')


class KnownAnswers:
    """A predictor that looks its answers up by name."""

    labels = LABELS
    tasks = frozenset(TASKS)

    def __init__(self, answers):
        self.answers = answers

    def __call__(self, image, name):
        return self.answers[name]

    def describe(self):
        return {'kind': 'known answers', 'name': 'truth', 'fixed': {}}


def perfect(sample, protocol):
    """Return the labels, as the protocol would see them, as an answer."""
    grid, resize = protocol.mask_grid, protocol.mask_resize
    lane = dilate_lane(sample.lane, protocol.lane_dilate)
    return Prediction(
        boxes=sample.boxes,
        scores=np.full(len(sample.boxes), 0.9, np.float32),
        labels=sample.labels,
        drivable=label_on_grid(sample.drivable, grid, resize=resize),
        lane=label_on_grid(lane, grid, resize=resize),
    )


def empty(sample, protocol):
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)
    return Prediction(*nothing, np.zeros((9, 16), np.uint8), np.zeros((9, 16), np.uint8))


def shifted(sample, protocol):
    """Move each box by a fifth of its width, the masks by 3 px."""
    step = (sample.boxes[:, 2] - sample.boxes[:, 0]) / 5
    moved = sample.boxes + np.stack([step, 0 * step, step, 0 * step], 1)
    right = perfect(sample, protocol)
    drivable, lane = (_move(mask) for mask in (right.drivable, right.lane))
    return Prediction(moved, right.scores, right.labels, drivable, lane)


def _move(mask):
    moved = np.zeros_like(mask)
    moved[:, 3:] = mask[:, :-3]
    return moved


def scores(root, answer, protocol):
    """Return the scores of a way to answer all images of val."""
    data = open_data(root)
    samples = read_samples(data, 'val', Problems(9, limit=0))
    answers = {sample.name: answer(sample, protocol) for sample in samples}
    record = evaluate(KnownAnswers(answers), data, 'val', [protocol]).record()
    assert record['data']['images'] == 2
    return record['protocols'][protocol.name]['all']


@pytest.fixture(scope='module')
def prepared(miniatures, tmp_path_factory):
    """Prepare each distributed form by the command."""
    roots = {}
    for form in DISTRIBUTED:
        roots[form] = tmp_path_factory.mktemp('prepared') / form
        source, out = str(miniatures.roots[form]), str(roots[form])
        assert main(['prepare', source, '--out', out, '--splits', 'val', '--workers', '1']) == 0
    return roots


@pytest.mark.parametrize('protocol', PROTOCOLS.values(), ids=PROTOCOLS)
@pytest.mark.parametrize('form', DISTRIBUTED)
def test_perfect_answers_score_1(prepared, form, protocol):
    found = scores(prepared[form], perfect, protocol)
    # The curve of `tail1` has two points at recall 1, of which interpolation takes the lower.
    ap = {'tail1': 0.995}.get(protocol.ap, 1)
    vehicle = found['detection']['labels']['vehicle']
    assert vehicle['boxes'] > 5
    assert (vehicle['ap50'], vehicle['ap50_95'], vehicle['max_recall']) == (ap, ap, 1)
    assert vehicle['at']['0.5'] == {'precision': 1, 'recall': 1, 'f1': 1}
    for task in ('drivable', 'lane'):
        assert found[task]['images'] == 2
        assert found[task]['iou'] == found[task]['miou'] == found[task]['recall'] == 1
    if protocol.name == 'dataset':
        assert found['lane']['tolerance'] == {'precision': 1, 'recall': 1, 'f1': 1, 'px': 4}


@pytest.mark.parametrize('protocol', PROTOCOLS.values(), ids=PROTOCOLS)
def test_empty_answers_score_0(prepared, protocol):
    found = scores(prepared['2018_files'], empty, protocol)
    vehicle = found['detection']['labels']['vehicle']
    assert (vehicle['ap50'], vehicle['max_recall']) == (0, 0)
    assert vehicle['at']['0.5']['recall'] == 0
    for task in ('drivable', 'lane'):
        assert (found[task]['iou'], found[task]['recall'], found[task]['precision']) == (0, 0, 0)


def test_shifted_answers_score_the_closed_form(prepared):
    root = prepared['2020_masks']
    found = scores(root, shifted, PROTOCOLS['dataset'])
    # A box moved by a fifth of its width has an IoU of 0.8 / 1.2: four of ten thresholds.
    vehicle = found['detection']['labels']['vehicle']
    assert vehicle['ap50'] == pytest.approx(1, abs=1e-3)
    assert vehicle['ap50_95'] == pytest.approx(0.4, abs=1e-3)
    for task in ('drivable', 'lane'):
        both, either = 0, 0
        for sample in read_samples(open_data(root), 'val', Problems(9)):
            mask = getattr(sample, task) > 0
            both += (mask & (_move(mask) > 0)).sum()
            either += (mask | (_move(mask) > 0)).sum()
        assert found[task]['iou'] == pytest.approx(both / either, abs=1e-4)
    # 3 px are within the tolerance of 4.
    assert found['lane']['tolerance']['precision'] > 0.99


def test_prepared_and_distributed_forms_score_alike(prepared, miniatures):
    for form in DISTRIBUTED:
        found = scores(miniatures.roots[form], perfect, PROTOCOLS['dataset'])
        assert found['detection']['map50'] == found['lane']['iou'] == 1
        # Only the distributed form knows which lanes are direct ones.
        assert 0 < found['drivable']['direct']['iou'] < found['drivable']['iou'] == 1
        assert 'direct' not in scores(prepared[form], perfect, PROTOCOLS['dataset'])['drivable']


@pytest.mark.parametrize('form', ['2018_list', 'tars'])
def test_evaluate_command__shipped_model_on_any_layout(miniatures, tmp_path, capsys, form):
    report, page = tmp_path / 'a' / 'scores.json', tmp_path / 'b' / 'report.html'
    arguments = ['--protocol', 'dataset', 'yolop', '--set', 'min_box_height=12']
    outputs = ['--out', str(report), '--html', str(page)]
    data = str(miniatures.roots[form])
    assert main(['evaluate', '--data', data, *arguments, *outputs]) == 0
    printed = capsys.readouterr().out
    assert 'min_box_height = 12' in printed
    record = json.loads(report.read_text())
    assert list(record['protocols']) == ['dataset', 'yolop']
    assert record['data']['layout'] == ('yolop' if form == 'tars' else 'bdd100k')
    assert 'polylines' in record['data']['label_sources']['lane'] or form == 'tars'
    # A motorway by day, as the network knows it.
    assert record['protocols']['dataset']['all']['drivable']['iou'] > 0.5
    assert page.read_text().startswith('<!DOCTYPE html>')
    assert 'http' not in page.read_text().replace('http://www.w3.org/', '')


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda root: (root / 'll_seg_annotations/val/val-7.png').unlink(), 'll_seg_annotations'),
        (lambda root: (root / 'det_annotations/val/val-7.json').write_text('{'), 'val-7.json'),
        (lambda root: (root / 'images/val/val-7.jpg').write_bytes(b'x'), 'val-7.jpg'),
    ],
)
def test_evaluate_command__damage_above_the_limit(miniatures, tmp_path, capsys, damage, message):
    root = shutil.copytree(miniatures.roots['yolop'], tmp_path / 'data')
    damage(root)
    assert main(['evaluate', '--data', str(root)]) == 2
    error = capsys.readouterr().err
    last = error.strip().splitlines()[-1]
    assert last.startswith('model_tools: error: 1 of 2 images cannot be used')
    assert message in last
    assert main(['evaluate', '--data', str(root), '--max-skipped', '0.5']) == 0


def test_evaluate_command__split_without_images(miniatures, capsys):
    assert main(['evaluate', '--data', str(miniatures.roots['yolop']), '--split', 'nowhere']) == 2
    assert 'nowhere' in capsys.readouterr().err


def test_evaluate_command__tar_cut_short(miniatures, tmp_path, capsys):
    for tar in miniatures.roots['tars'].iterdir():
        (tmp_path / tar.name).write_bytes(tar.read_bytes())
    cut = tmp_path / 'shard-0.tar'
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    assert main(['evaluate', '--data', str(tmp_path)]) == 2
    assert 'shard-0.tar' in capsys.readouterr().err
