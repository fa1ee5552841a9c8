# SPDX-License-Identifier: Apache-2.0
import json
import shutil

import cv2
import numpy as np
import pytest

from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers import open_data, read_samples

NAME = 'val-7'


@pytest.fixture
def tree(miniatures, tmp_path):
    def copy(form):
        return shutil.copytree(miniatures.roots[form], tmp_path / form)

    return copy


def _read(root, name=NAME):
    return open_data(root).read('val', name, Problems(1))


def _edit(path, change):
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def _without(records):
    return [record for record in records if not record['name'].startswith(NAME)]


def _with_labels(labels):
    return lambda records: [{**r, 'labels': labels} for r in records]


@pytest.mark.parametrize('form', ['2018_files', '2018_list', '2020_masks', '2020_polygons'])
@pytest.mark.parametrize('place', ['top', 'inside', 'archives', 'archives without top'])
def test_open_data__where_the_archives_were_unpacked(tree, tmp_path, form, place):
    root = tree(form)
    if place == 'inside':
        root = root / 'bdd100k'
    elif place != 'top':
        top = 'bdd100k' if place == 'archives' else ''
        for archive, folder in (('bdd100k_images_100k', 'images'), ('bdd100k_labels', 'labels')):
            (tmp_path / 'apart' / archive / top).mkdir(parents=True)
            shutil.move(root / 'bdd100k' / folder, tmp_path / 'apart' / archive / top / folder)
        root = tmp_path / 'apart'
    data = open_data(root)
    assert data.layout == 'bdd100k'
    assert 'none' not in data.label_sources('val').values()
    assert len(_read(root).boxes) > 5


@pytest.mark.parametrize(
    ('form', 'file', 'change', 'kind'),
    [
        ('2018_files', f'100k/val/{NAME}.json', None, 'missing_json'),
        ('2018_files', f'100k/val/{NAME}.json', b'{"name"', 'bad_json'),
        ('2018_files', f'100k/val/{NAME}.json', b'[]', 'bad_labels'),
        ('2018_list', 'bdd100k_labels_images_val.json', _without, 'missing_json'),
        ('2020_masks', 'det_20/det_val.json', _without, 'missing_json'),
        ('2020_masks', f'drivable/masks/val/{NAME}.png', None, 'missing_mask'),
        ('2020_masks', f'drivable/masks/val/{NAME}.png', b'', 'bad_mask'),
        ('2020_masks', f'lane/masks/val/{NAME}.png', None, 'missing_mask'),
        ('2020_polygons', 'lane/polygons/lane_val.json', _without, 'missing_json'),
        ('2020_polygons', 'drivable/polygons/drivable_val.json', _without, 'missing_json'),
    ],
)
def test_read__image_without_some_labels_is_left_out(tree, form, file, change, kind):
    root = tree(form)
    path = root / 'bdd100k' / 'labels' / file
    if change is None:
        path.unlink()
    elif isinstance(change, bytes):
        path.write_bytes(change)
    else:
        _edit(path, change)
    with pytest.raises(DatasetError) as error:
        _read(root)
    assert error.value.kind == kind
    assert str(root) in str(error.value)
    assert NAME in str(error.value)
    problems = Problems(2, limit=0.5)
    assert [s.name for s in read_samples(open_data(root), 'val', problems)] == ['val-10']


def test_read__list_that_is_no_json_loses_every_image(tree):
    root = tree('2020_polygons')
    path = root / 'bdd100k' / 'labels' / 'det_20' / 'det_val.json'
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DatasetError, match=r'1 of 2 images.*det_val\.json.*is the file whole'):
        list(read_samples(open_data(root), 'val', Problems(2)))


@pytest.mark.parametrize('labels', [None, []])
def test_read__image_without_objects(tree, labels):
    root = tree('2020_polygons')
    for file in ('det_20/det', 'lane/polygons/lane', 'drivable/polygons/drivable'):
        _edit(root / 'bdd100k' / 'labels' / f'{file}_val.json', _with_labels(labels))
    sample = _read(root)
    assert (len(sample.boxes), sample.boxes_complete) == (0, True)
    for mask in (sample.drivable, sample.drivable_direct, sample.lane):
        np.testing.assert_array_equal(mask, np.zeros((720, 1280)))


def test_open_data__splits_that_are_links_to_another_disk(tree, tmp_path):
    images = tree('2018_list') / 'bdd100k/images/100k'
    for split in ('train', 'val', 'test'):
        shutil.move(images / split, tmp_path / split)
        (images / split).symlink_to(tmp_path / split)
    assert _read(tmp_path / '2018_list').boxes_complete


def test_open_data__images_without_split(tree):
    root = tree('2018_list')
    images = root / 'bdd100k/images/100k'
    for path in list(images.rglob('*.jpg')):
        path.rename(images / path.name)
    assert open_data(root).layout == 'images'


def test_label_sources__best_first(tree, miniatures):
    root = tree('2018_list')
    kinds = [open_data(root).label_sources('val')]
    for form, part in (
        ('2020_masks', 'lane'),
        ('2020_polygons', 'drivable'),
        ('2020_masks', 'drivable'),
        ('2020_polygons', 'lane'),
        ('2020_masks', 'det_20'),
    ):
        labels = miniatures.roots[form] / 'bdd100k' / 'labels'
        shutil.copytree(labels / part, root / 'bdd100k/labels' / part, dirs_exist_ok=True)
        kinds.append(open_data(root).label_sources('val'))
    old = '2018 JSON'
    areas = f'drawn from polygons of the {old}, merged'
    lanes = f'drawn from polylines of the {old}, 2 px'
    assert [tuple(kind.values()) for kind in kinds] == [
        (old, areas, lanes),
        (old, areas, lanes),  # masks are worse than polylines
        (old, 'drawn from polygons, merged', lanes),
        (old, 'mask files, merged', lanes),
        (old, 'mask files, merged', 'drawn from polylines, 2 px'),
        ('det_20 JSON', 'mask files, merged', 'drawn from polylines, 2 px'),
    ]


def test_label_sources__boxes_alone_say_nothing_about_lanes(tree):
    root = tree('2018_list')
    boxes = [{'category': 'car', 'box2d': {'x1': 1, 'y1': 2, 'x2': 3, 'y2': 4}}]
    _edit(root / 'bdd100k/labels/bdd100k_labels_images_val.json', _with_labels(boxes))
    assert open_data(root).label_sources('val') == {
        'boxes': '2018 JSON',
        'drivable': 'none',
        'lane': 'none',
    }
    sample = _read(root)
    assert len(sample.boxes) == 1
    assert sample.drivable is sample.drivable_direct is sample.lane is None


def test_read__colormap_in_place_of_a_mask(tree):
    root = tree('2020_masks')
    path = root / f'bdd100k/labels/drivable/masks/val/{NAME}.png'
    cv2.imwrite(str(path), np.full((720, 1280, 3), (86, 94, 219), np.uint8))
    with pytest.raises(DatasetError, match=f'{NAME}.*masks, not colormaps'):
        _read(root)
