# SPDX-License-Identifier: Apache-2.0
import json
import shutil

import cv2
import numpy as np
import pytest

from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers import open_data, read_samples

IMAGE = 'images/val/road_0.jpg'
LABELS = 'det_annotations/val/road_0.json'
DRIVABLE = 'da_seg_annotations/val/road_0.png'
LANE = 'll_seg_annotations/val/road_0.png'
SMALL_MASK = cv2.imencode('.png', np.zeros((48, 80), np.uint8))[1].tobytes()
SMALL_IMAGE = cv2.imencode('.jpg', np.zeros((48, 80, 3), np.uint8))[1].tobytes()


@pytest.fixture
def root(road_folder, tmp_path):
    shutil.copytree(road_folder, tmp_path / 'roads')
    return tmp_path / 'roads'


def _read(root, problems=None):
    return open_data(root).read('val', 'road_0', problems or Problems(1))


def _change_labels(root, *, name='road_0', **changes):
    path = root / 'det_annotations' / 'val' / f'{name}.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_read__every_label(root):
    data = open_data(root)
    assert (data.layout, data.splits()) == ('yolop', ['train', 'val'])
    assert data.names('val') == ['road_0', 'road_1']
    sample = _read(root)
    assert (sample.source, sample.group) == ('toy', 'road_0')
    np.testing.assert_array_equal(sample.boxes, [[20, 30, 44, 60]])
    assert sample.labels.tolist() == [0]
    assert sample.boxes_complete
    assert (sample.drivable == 255).sum() == 48 * 160
    assert (sample.lane == 255).sum() == 48 * 4


@pytest.mark.parametrize(
    ('file', 'content', 'kind', 'message'),
    [
        (IMAGE, b'', 'bad_image', 'no data'),
        (IMAGE, b'no image', 'bad_image', 'neither JPEG nor PNG'),
        (IMAGE, -100, 'bad_image', 'cut short'),
        (IMAGE, SMALL_IMAGE, 'mask_size', 'a mask of 80x48 like its image, found 160x96'),
        (LABELS, None, 'missing_json', 'no such file'),
        (LABELS, b'', 'bad_json', 'expected JSON'),
        (LABELS, b'not json', 'bad_json', 'expected JSON'),
        (LABELS, -20, 'bad_json', 'expected JSON'),
        (LABELS, b'[]', 'bad_labels', 'labels of one image, found 0'),
        (LABELS, b'3', 'bad_labels', 'a record to be a mapping'),
        (LABELS, b'{"frames": [{"objects": [{}]}]}', 'bad_labels', 'name its category'),
        (DRIVABLE, None, 'missing_mask', 'no such file'),
        (DRIVABLE, b'', 'bad_mask', 'no data'),
        (DRIVABLE, -12, 'bad_mask', 'cut short'),
        (DRIVABLE, SMALL_MASK, 'mask_size', 'a mask of 160x96 like its image, found 80x48'),
        (LANE, None, 'missing_mask', 'no such file'),
        (LANE, SMALL_MASK, 'mask_size', 'found 80x48'),
    ],
)
def test_read__broken_file_is_named_and_its_image_left_out(root, file, content, kind, message):
    path = root / file
    if content is None:
        path.unlink()
    elif isinstance(content, int):
        path.write_bytes(path.read_bytes()[:content])
    else:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=message) as error:
        _read(root)
    assert error.value.kind == kind
    assert str(root) in str(error.value)
    problems = Problems(2, limit=0.5)
    samples = list(read_samples(open_data(root), 'val', problems))
    assert [sample.name for sample in samples] == ['road_1']
    assert problems.summary()['skipped_by_kind'] == {kind: 1}
    with pytest.raises(DatasetError, match='1 of 2 images cannot be used'):
        list(read_samples(open_data(root), 'val', Problems(2, limit=0)))


@pytest.mark.parametrize(
    ('folder', 'task', 'emptied'),
    [
        ('det_annotations', 'boxes', False),
        ('det_annotations', 'boxes', True),
        ('da_seg_annotations', 'drivable', False),
        ('da_seg_annotations', 'drivable', True),
        ('ll_seg_annotations', 'lane', False),
        ('ll_seg_annotations', 'lane', True),
    ],
)
def test_read__folder_without_files_is_a_task_without_labels(root, folder, task, emptied):
    shutil.rmtree(root / folder / 'val')
    if emptied:
        (root / folder / 'val').mkdir()
    assert open_data(root).label_sources('val')[task] == 'none'
    assert open_data(root).label_sources('train')[task] != 'none'
    sample = _read(root)
    assert sample.boxes_complete == (task != 'boxes')
    assert (sample.drivable is None) == (task == 'drivable')
    assert (sample.lane is None) == (task == 'lane')


@pytest.mark.parametrize(
    ('attributes', 'missing', 'unlabelled'),
    [
        ({'drivable_label': 'none'}, DRIVABLE, {'drivable'}),
        ({'lane_label': 'none'}, LANE, {'lane'}),
        ({'lane_label': 'none'}, None, {'lane'}),
        ({'box_label': 'none'}, None, {'boxes'}),
        ({'box_label': 'none', 'drivable_label': 'none'}, DRIVABLE, {'boxes', 'drivable'}),
    ],
)
def test_read__image_may_say_that_a_task_is_not_labelled(root, attributes, missing, unlabelled):
    _change_labels(root, attributes=attributes)
    if missing:
        (root / missing).unlink()
    sample = _read(root)
    assert (len(sample.boxes) == 0) == ('boxes' in unlabelled) == (not sample.boxes_complete)
    assert (sample.drivable is None) == ('drivable' in unlabelled)
    assert (sample.lane is None) == ('lane' in unlabelled)


def test_read__boxes_of_a_detector_are_not_complete(root):
    _change_labels(root, attributes={'box_label': 'pseudo-detector'})
    sample = _read(root)
    assert (len(sample.boxes), sample.boxes_complete) == (1, False)


def test_read__ignored_pixels_stay_so(root):
    mask = np.array([[0, 127, 255]], np.uint8).repeat(96, 0).repeat([50, 50, 60], 1)
    cv2.imwrite(str(root / DRIVABLE), mask)
    np.testing.assert_array_equal(_read(root).drivable, mask)


def test_read__notes_go_to_problems(root):
    box = {'x1': 5, 'y1': 5, 'x2': 5, 'y2': 9}
    _change_labels(root, frames=[{'objects': [{'category': 'car', 'box2d': box}]}])
    problems = Problems(1)
    sample = _read(root, problems)
    assert len(sample.boxes) == 0
    assert sample.boxes_complete
    assert problems.summary()['dropped_objects'] == {'empty box': 1}
    assert str(root / LABELS) in problems.summary()['examples'][0]
