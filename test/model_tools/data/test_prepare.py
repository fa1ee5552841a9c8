# SPDX-License-Identifier: Apache-2.0
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from model_tools.cli import main
from model_tools.data.prepare import REPORT, PrepareSettings, prepare
from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers import open_data

FORMS = ('2018_files', '2018_list', '2020_masks', '2020_polygons')
MASKS = {'drivable': 'da_seg_annotations', 'lane': 'll_seg_annotations'}


def run(root, out, *, splits=('train', 'val'), workers=1, max_skipped=0.01, **settings):
    return prepare(
        root, out, splits, PrepareSettings(**settings), workers=workers, max_skipped=max_skipped
    )


def contents(folder):
    """Return what each file of a tree holds."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def iou(mask, truth):
    return ((mask > 0) & (truth > 0)).sum() / ((mask > 0) | (truth > 0)).sum()


@pytest.fixture
def tree(miniatures, tmp_path):
    """Return a copy of a tree with one label file an image, to damage."""
    return shutil.copytree(miniatures.roots['2018_files'], tmp_path / 'tree')


@pytest.mark.parametrize('form', FORMS)
def test_prepare(miniatures, tmp_path, form):
    report = run(miniatures.roots[form], tmp_path / 'out', workers=2)
    data = open_data(tmp_path / 'out')
    assert data.layout == 'yolop'
    for split in ('train', 'val'):
        truths = miniatures.truth[split]
        assert data.names(split) == sorted(truth.name for truth in truths)
        assert report[split]['skipped'] == report[split]['kept'] == 0
        assert report[split]['images'] == len(truths)
        width = 8 if split == 'train' else 2
        assert report[split]['made']['lane_width'] == width
        problems = Problems(len(truths))
        for truth in truths:
            sample = data.read(split, truth.name, problems)
            assert cv2.imencode('.jpg', sample.image)[1].size > 0
            assert set(np.unique(sample.lane)) <= {0, 255}
            np.testing.assert_array_equal(sample.drivable, truth.direct | truth.alternative)
            boxes = truth.record['frames'][0]['objects']
            assert len(sample.boxes) == len(boxes)
            assert sample.attributes['weather'] == truth.record['attributes']['weather']
            if form == '2020_masks':  # as wide as annotated
                np.testing.assert_array_equal(sample.lane, truth.lane)
            elif width == 2:
                assert iou(sample.lane, truth.lane) > 0.75
        assert problems.summary()['dropped_objects'] == {}


def test_prepare__direct_lanes_alone(miniatures, tmp_path):
    run(miniatures.roots['2018_files'], tmp_path / 'out', splits=['val'], drivable='direct')
    for truth in miniatures.truth['val']:
        path = tmp_path / 'out/da_seg_annotations/val' / f'{truth.name}.png'
        np.testing.assert_array_equal(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), truth.direct)


def test_prepare__keeps_categories_and_images(miniatures, tmp_path):
    root = miniatures.roots['2018_files']
    run(root, tmp_path / 'out', splits=['val'])
    for truth in miniatures.truth['val']:
        record = json.loads(
            (tmp_path / 'out/det_annotations/val' / f'{truth.name}.json').read_text()
        )
        found, expected = (r['frames'][0]['objects'] for r in (record, truth.record))
        assert [o['category'] for o in found] == [o['category'] for o in expected]
        image = tmp_path / 'out/images/val' / f'{truth.name}.jpg'
        assert image.read_bytes() == truth.jpg
        assert not image.is_symlink()


def test_prepare__images_without_labels(miniatures, tmp_path):
    run(miniatures.roots['2018_files'], tmp_path / 'out', splits=['test'])
    (truth,) = miniatures.truth['test']
    record = json.loads((tmp_path / 'out/det_annotations/test' / f'{truth.name}.json').read_text())
    assert {record['attributes'][f'{t}_label'] for t in ('box', 'drivable', 'lane')} == {'none'}
    sample = open_data(tmp_path / 'out').read('test', truth.name, Problems(1))
    assert (sample.boxes_complete, sample.drivable, sample.lane) == (False, None, None)


def test_prepare__goes_on_where_it_was_cut_off(miniatures, tmp_path):
    root = miniatures.roots['2018_files']
    run(root, tmp_path / 'whole')
    run(root, tmp_path / 'out')
    name = miniatures.truth['train'][0].name
    # As after a kill: the last file of an image is missing, and another is there in part.
    (tmp_path / 'out/det_annotations/train' / f'{name}.json').unlink()
    (tmp_path / 'out/ll_seg_annotations/train' / f'.{name}.part.png').write_bytes(b'half')
    (tmp_path / 'out/ll_seg_annotations/train' / f'{name}.png').unlink()
    report = run(root, tmp_path / 'out')
    assert report['train']['kept'] == 1
    assert report['val']['kept'] == len(miniatures.truth['val'])
    whole, out = contents(tmp_path / 'whole'), contents(tmp_path / 'out')
    assert whole.pop(REPORT) != out.pop(REPORT)
    assert whole == out


def test_prepare__ctrl_c_leaves_a_report_and_a_folder_to_go_on_with(
    miniatures, tmp_path, monkeypatch
):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    root = miniatures.roots['2018_files']
    with monkeypatch.context() as patch:
        patch.setattr(Problems, 'merge', interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(root, tmp_path / 'out')
    assert json.loads((tmp_path / 'out' / REPORT).read_text())['train']['kept'] == 0
    run(root, tmp_path / 'out')
    run(root, tmp_path / 'whole')
    whole, out = contents(tmp_path / 'whole'), contents(tmp_path / 'out')
    assert {**whole, REPORT: b''} == {**out, REPORT: b''}


def test_prepare__killed_run_ends_whole_and_is_gone_on_with(tree, miniatures, tmp_path):
    name = miniatures.truth['train'][0].name
    for path in list(tree.rglob(f'{name}.*')):
        for i in range(100):
            os.link(path, path.with_name(f'{name}-{i:02}{path.suffix}'))
    out = tmp_path / 'out'
    options = ['--out', out, '--splits', 'train', '--workers', '2']
    process = subprocess.Popen(
        [sys.executable, '-m', 'model_tools.cli', 'prepare', tree, *options],
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not list(out.glob('det_annotations/train/*.json')) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)  # returns when the last worker has closed the pipe
    report = run(tree, out, splits=['train'])
    assert 0 < report['train']['kept'] < report['train']['images'] == 102
    run(tree, tmp_path / 'whole', splits=['train'])
    whole = contents(tmp_path / 'whole')
    found = {k: v for k, v in contents(out).items() if '.part' not in k}
    assert {**whole, REPORT: b''} == {**found, REPORT: b''}


@pytest.mark.parametrize('text', ['[]', '{"train": 5}', '{"train": {}}', '{', '\udcff'])
def test_prepare__report_that_is_none_is_refused(miniatures, tmp_path, text):
    (tmp_path / REPORT).write_bytes(text.encode(errors='surrogateescape'))
    with pytest.raises(DatasetError, match=r"prepare\.json': expected"):
        run(miniatures.roots['2018_files'], tmp_path)


def test_prepare__counts_dropped_objects_once(tree, miniatures, tmp_path):
    name = miniatures.truth['train'][0].name
    path = next(tree.rglob(f'{name}.json'))
    record = json.loads(path.read_text())
    record['frames'][0]['objects'].append(
        {'category': 'lane/single white', 'attributes': {}, 'poly2d': [[5, 5, 'L']]}
    )
    path.write_text(json.dumps(record))
    for _ in range(2):
        report = run(tree, tmp_path / 'out')
        assert report['train']['dropped_objects'] == {'short_polyline': 1}


def test_prepare__names_what_it_skips(tree, miniatures, tmp_path):
    first, second = (truth.name for truth in miniatures.truth['train'])
    next(tree.rglob(f'{first}.json')).write_text('{')
    report = run(tree, tmp_path / 'out', max_skipped=0.5)
    assert report['train']['skipped_by_kind'] == {'bad_json': 1}
    assert f'{first}.json' in report['train']['examples'][0]
    assert open_data(tmp_path / 'out').names('train') == [second]
    assert json.loads((tmp_path / 'out' / REPORT).read_text()) == report


def test_prepare__broken_image_is_skipped_before_anything_is_written(tree, miniatures, tmp_path):
    first, second = (truth.name for truth in miniatures.truth['train'])
    next(tree.rglob(f'{first}.jpg')).write_bytes(b'no image')
    run(tree, tmp_path / 'out', splits=['train'], max_skipped=0.5)
    assert {
        os.path.basename(path).partition('.json')[0].partition('.')[0]
        for path in (
            *contents(tmp_path / 'out/images'),
            *contents(tmp_path / 'out/det_annotations'),
        )
    } == {second.partition('.')[0]}


@pytest.mark.parametrize('change', [{'lane_width': 2}, {'drivable': 'direct'}])
def test_prepare__other_settings_in_the_same_folder_are_refused(miniatures, tmp_path, change):
    root = miniatures.roots['2018_files']
    run(root, tmp_path / 'out', splits=['train'])
    before = contents(tmp_path / 'out')
    with pytest.raises(DatasetError, match='choose another folder'):
        run(root, tmp_path / 'out', splits=['train'], **change)
    assert contents(tmp_path / 'out') == before


def test_prepare__a_folder_of_something_else_is_refused(miniatures, tmp_path):
    (tmp_path / 'notes.txt').write_text('mine')
    with pytest.raises(DatasetError, match='found files but no prepare'):
        run(miniatures.roots['2018_files'], tmp_path)
    assert contents(tmp_path) == {'notes.txt': b'mine'}


@pytest.mark.parametrize(
    ('form', 'options', 'message'),
    [
        ('yolop', {}, "found the layout 'yolop'"),
        ('images', {}, "found the layout 'images'"),
        ('2018_files', {'splits': ['val', 'holdout']}, "split 'holdout' has no images"),
        ('2018_files', {'workers': 0}, 'at least one worker'),
    ],
)
def test_prepare__refuses(miniatures, tmp_path, form, options, message):
    with pytest.raises(ValueError, match=message):
        run(miniatures.roots[form], tmp_path / 'out', **options)
    assert not (tmp_path / 'out').exists()


def test_command(miniatures, tmp_path, capsys):
    root = str(miniatures.roots['2018_files'])
    assert main(['prepare', root, '--out', str(tmp_path / 'out'), '--workers', '1']) == 0
    text = capsys.readouterr().out
    assert 'train: 2 of 2 images ready, 0 of them before' in text
    assert 'lane drawn from polylines of the 2018 JSON, 8 px' in text


def test_command__too_many_skipped(tree, miniatures, tmp_path, capsys):
    next(tree.rglob(f'{miniatures.truth["val"][0].name}.json')).write_text('[]')
    assert main(['prepare', str(tree), '--out', str(tmp_path / 'out'), '--workers', '1']) == 2
    error = capsys.readouterr().err
    assert '1 of 2 images cannot be used' in error
    assert '--max-skipped' in error


def test_command__split_that_an_earlier_run_did_not_come_to(tree, miniatures, tmp_path, capsys):
    next(tree.rglob(f'{miniatures.truth["train"][0].name}.json')).write_text('[]')
    command = ['prepare', str(tree), '--out', str(tmp_path / 'out'), '--workers', '1']
    assert main(command) == 2
    assert main([*command, '--splits', 'train', '--max-skipped', '0.5']) == 0
    text = capsys.readouterr().out
    assert 'train: 1 of 2 images ready, 1 of them before' in text
    assert 'val' not in text


def test_command__file_name_that_is_no_text(tree, miniatures, tmp_path):
    path = next(tree.rglob(f'{miniatures.truth["train"][0].name}.jpg'))
    path.rename(path.with_name(os.fsdecode(b'caf\xe9.jpg')))
    options = ['--out', tmp_path / 'out', '--splits', 'train', '--max-skipped', '1']
    done = subprocess.run(
        [sys.executable, '-m', 'model_tools.cli', 'prepare', tree, *options],
        env={**os.environ, 'PYTHONIOENCODING': 'utf-8:strict'},
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert rb'caf\udce9.json' in done.stdout


def test_command__nothing_to_do(capsys):
    assert main(['prepare']) == 2
    assert 'give DATA and --out DIR' in capsys.readouterr().err


def test_command__explain(tmp_path):
    assert main(['prepare', '--explain', str(tmp_path / 'docs/pairing.png')]) == 0
    assert cv2.imread(str(tmp_path / 'docs/pairing.png')).shape[1] > 1000
