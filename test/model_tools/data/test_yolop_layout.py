# SPDX-License-Identifier: Apache-2.0
import json
import shutil

import numpy as np
import pytest

from model_tools.data.yolop_layout import DatasetError, list_names, read_sample

LABEL_FILE = 'det_annotations/val/road_0.json'
MASK_FILE = 'da_seg_annotations/val/road_0.png'


@pytest.fixture
def root(road_folder, tmp_path):
    shutil.copytree(road_folder, tmp_path / 'roads')
    return tmp_path / 'roads'


def _objects(root, *objects):
    record = {'name': 'road_0.jpg', 'frames': [{'objects': list(objects)}]}
    (root / LABEL_FILE).write_text(json.dumps(record))


def _box(category, x1, y1, x2, y2, **attributes):
    box = {'x1': x1, 'y1': y1, 'x2': x2, 'y2': y2}
    return {'category': category, 'box2d': box, 'attributes': attributes}


def test_list_names__split_without_images(root):
    with pytest.raises(DatasetError, match='found none'):
        list_names(root, 'test')


def test_read_sample__every_label(root):
    sample = read_sample(root, 'val', 'road_0')
    assert list_names(root, 'val') == ['road_0', 'road_1']
    assert (sample.source, sample.group) == ('toy', 'road_0')
    np.testing.assert_array_equal(sample.boxes, [[20, 30, 44, 60]])
    assert sample.labels.tolist() == [0]
    assert sample.boxes_complete
    assert (sample.drivable == 255).sum() == 48 * 160
    assert (sample.lane == 255).sum() == 48 * 4


@pytest.mark.parametrize(
    ('objects', 'boxes', 'labels'),
    [
        ([], [], []),
        ([_box('traffic light', 0, 0, 5, 5)], [], []),
        ([{'category': 'car', 'poly2d': []}], [], []),
        ([_box('car', 30, 10, 20, 40)], [], []),  # x2 < x1
        ([_box('bus', -5, 10, 999, 40)], [[0, 10, 160, 40]], [0]),
        (
            [_box('rider', 1, 2, 3, 4), _box('motor', 5, 6, 7, 8)],
            [[1, 2, 3, 4], [5, 6, 7, 8]],
            [1, 2],
        ),
    ],
)
def test_read_sample__objects(root, objects, boxes, labels):
    _objects(root, *objects)
    sample = read_sample(root, 'val', 'road_0')
    assert sample.boxes.tolist() == boxes
    assert sample.labels.tolist() == labels


def test_read_sample__crowd_is_kept_apart(root):
    _objects(root, _box('car', 1, 2, 30, 40, crowd=True))
    assert read_sample(root, 'val', 'road_0').crowd.tolist() == [True]


def test_read_sample__missing_mask_is_an_unlabelled_task(root):
    (root / MASK_FILE).unlink()
    sample = read_sample(root, 'val', 'road_0')
    assert sample.drivable is None
    assert sample.lane is not None


@pytest.mark.parametrize(
    ('file', 'content', 'message'),
    [
        ('images/val/road_0.jpg', b'', 'expected a JPEG'),
        (LABEL_FILE, b'not json', 'label file'),
        (LABEL_FILE, None, 'label file'),
        (MASK_FILE, b'', 'expected a mask of 160x96'),
    ],
)
def test_read_sample__broken_file_is_named(root, file, content, message):
    if content is None:
        (root / file).unlink()
    else:
        (root / file).write_bytes(content)
    with pytest.raises(DatasetError, match=message) as error:
        read_sample(root, 'val', 'road_0')
    assert str(root / file) in str(error.value)
