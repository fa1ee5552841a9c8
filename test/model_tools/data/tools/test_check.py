# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np
import pytest

from model_tools.data.problems import DatasetError
from model_tools.data.readers import open_data
from model_tools.data.tools.check import check_data, sentences


def check(roads, *splits, **options):
    return check_data(open_data(roads.root), splits or None, **options)


def text(findings):
    return '\n'.join(sentences(findings))


def test_check__nothing_wrong(roads):
    findings = check(roads)
    assert findings.passed
    assert list(findings.splits) == ['train', 'val']
    assert [split.images for split in findings.splits.values()] == [4, 2]
    (between,) = findings.between
    assert (between.splits, between.groups, between.names) == (('train', 'val'), (), ())
    assert between.leaks.pairs == between.leaks.images == 0
    assert between.leaks.closest.distance > 2 * findings.max_distance
    assert 'train and val: pairs that look like one picture (within 24 of 256 bits): 0;' in text(
        findings
    )
    assert json.loads(json.dumps(findings.as_dict()))['passed'] is True


def test_check__duplicate_in_a_split_is_no_fault(roads):
    roads.write('train', 'copy_of_2', seed=2, quality=70)
    findings = check(roads)
    assert findings.passed
    alike = findings.splits['train'].near_duplicates
    assert (alike.pairs, alike.images) == (1, 2)
    assert alike.named[0].names == ('copy_of_2', 'train_2')
    assert 'near duplicates copy_of_2 and train_2' in text(findings)


def test_check__leak(roads):
    roads.write('val', 'copy_of_2', seed=2, quality=70)
    findings = check(roads)
    assert not findings.passed
    leaks = findings.between[0].leaks
    assert (leaks.pairs, leaks.images) == (1, 1)
    assert leaks.closest == leaks.named[0]
    assert leaks.named[0].names == ('train_2', 'copy_of_2')
    assert 'train and val: LEAK train_2 and copy_of_2' in text(findings)


def test_check__leak_at_the_distance_asked_for(roads):
    """Every picture is a copy of every other if all bits but one may differ."""
    findings = check(roads, max_distance=255)
    assert findings.between[0].leaks.pairs == 4 * 2
    assert findings.splits['train'].near_duplicates.pairs == 4 * 3 // 2


@pytest.mark.parametrize('distance', [-1, 256])
def test_check__distance_refused(roads, distance):
    with pytest.raises(ValueError, match='0 to 255 of the 256 bits'):
        check(roads, max_distance=distance)


@pytest.mark.parametrize(
    ('attributes', 'groups'),
    [
        ({'source': 'toy', 'group': 'drive 2'}, ('toy / drive 2',)),
        ({'source': 'other', 'group': 'drive 2'}, ()),
        ({'source': 'toy', 'group': 'unknown'}, ()),
        ({}, ()),
    ],
)
def test_check__group_in_two_splits(roads, attributes, groups):
    roads.write('val', 'more', seed=9, **attributes)
    roads.write('train', 'unknown', seed=10, source='toy')
    findings = check(roads)
    assert findings.between[0].groups == groups
    assert findings.passed is not bool(groups)
    assert text(findings).count('GROUP IN BOTH') == len(groups)


def test_check__same_name_is_reported_and_no_fault(roads):
    roads.write('val', 'train_0', seed=9)
    findings = check(roads)
    assert findings.between[0].names == ('train_0',)
    assert findings.passed
    assert 'train and val: same name train_0' in text(findings)


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def shrink(path):
    cv2.imwrite(str(path), np.zeros((3, 4), np.uint8))


@pytest.mark.parametrize(
    ('kind', 'harm'),
    [
        ('image', lambda path: path.write_bytes(b'')),
        ('image', cut),
        ('record', lambda path: path.write_text('{')),
        ('record', lambda path: path.unlink()),
        ('drivable', shrink),
        ('lane', lambda path: path.unlink()),
    ],
)
def test_check__broken_file(roads, kind, harm):
    path = roads.path('train', 'train_1', kind)
    harm(path)
    findings = check(roads)
    assert not findings.passed
    (sentence,) = findings.splits['train'].broken
    assert 'train_1' in sentence
    assert findings.splits['train'].images == 4
    assert findings.splits['val'].broken == ()


def test_check__every_file_broken(roads):
    for split in ('train', 'val'):
        for path in (roads.root / 'images' / split).iterdir():
            path.write_bytes(b'no image')
    findings = check(roads)
    assert [len(split.broken) for split in findings.splits.values()] == [4, 2]
    assert findings.between[0].leaks.closest is None
    assert 'train: 4 images, 4 broken' in text(findings)


def test_check__dropped_objects_are_all_listed(roads):
    objects = [
        {'category': 'car', 'box2d': {'x1': 30, 'y1': 10, 'x2': 20, 'y2': 40}},
        {'category': 'car', 'box2d': {'x1': 300, 'y1': 10, 'x2': 320, 'y2': 40}},
    ]
    for number in range(8):
        roads.write('val', f'odd_{number}', seed=20 + number, objects=objects)
    findings = check(roads)
    assert findings.passed
    assert sum(findings.splits['val'].dropped.values()) == 16
    assert len(findings.splits['val'].dropped_sentences) == 16
    assert '... and 11 more' in text(findings)


def test_check__one_split_has_nothing_to_compare_with(roads):
    findings = check(roads, 'val', 'val')
    assert list(findings.splits) == ['val']
    assert findings.between == ()


def test_check__split_without_images(roads):
    (roads.root / 'images' / 'test').mkdir()
    assert list(check(roads).splits) == ['train', 'val']
    with pytest.raises(DatasetError, match='test'):
        check(roads, 'train', 'test')


def test_check__plain_images(roads):
    findings = check_data(open_data(roads.root / 'images'))
    (split,) = findings.splits.values()
    assert split.images == 6
    assert findings.passed


def test_check__damaged_tar(miniatures, tmp_path):
    for tar in miniatures.roots['tars'].glob('*.tar'):
        (tmp_path / tar.name).write_bytes(tar.read_bytes())
    (tmp_path / 'broken.tar').write_bytes(b'no tar at all')
    findings = check_data(open_data(tmp_path))
    assert not findings.passed
    assert 'broken.tar' in findings.damage[0]
    assert 'broken.tar' in text(findings)


def test_check__tar_shards(miniatures):
    folder, tars = (check_data(open_data(miniatures.roots[form])) for form in ('yolop', 'tars'))
    assert tars.as_dict() == folder.as_dict()
