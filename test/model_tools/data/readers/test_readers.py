# SPDX-License-Identifier: Apache-2.0
"""What all layouts have in common, and how they are told apart."""

import pickle
import shutil
import tarfile

import cv2
import numpy as np
import pytest

from model_tools.data.label_set import DEFAULT
from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers import ReaderSettings, open_data, read_samples

BDD_FORMS = ['2018_files', '2018_list', '2020_masks', '2020_polygons']
YOLOP_FORMS = ['yolop', 'tars']
SOURCES = {
    '2018_files': (
        '2018 JSON',
        'drawn from polygons of the 2018 JSON, merged',
        'drawn from polylines of the 2018 JSON, 2 px',
    ),
    '2018_list': (
        '2018 JSON',
        'drawn from polygons of the 2018 JSON, merged',
        'drawn from polylines of the 2018 JSON, 2 px',
    ),
    '2020_masks': ('det_20 JSON', 'mask files, merged', 'mask files, as wide as annotated'),
    '2020_polygons': ('det_20 JSON', 'drawn from polygons, merged', 'drawn from polylines, 2 px'),
    'yolop': ('JSON files', 'mask files', 'mask files'),
    'tars': ('JSON files', 'mask files', 'mask files'),
}


def _read(data, split, name):
    problems = Problems(1)
    sample = data.read(split, name, problems)
    assert problems.summary()['dropped_objects'] == {}
    return sample


@pytest.mark.parametrize('form', BDD_FORMS + YOLOP_FORMS)
def test_read__the_truth_from_every_form(miniatures, form):
    data = open_data(miniatures.roots[form])
    assert data.layout == ('bdd100k' if form in BDD_FORMS else 'yolop')
    assert data.splits() == ['test', 'train', 'val']
    for split in ('train', 'val'):
        assert tuple(data.label_sources(split).values()) == SOURCES[form]
        frames = sorted(miniatures.truth[split], key=lambda frame: frame.name)
        assert data.names(split) == [frame.name for frame in frames]
        for frame in frames:
            _check_sample(_read(data, split, frame.name), frame, form)


def _check_sample(sample, frame, form):
    np.testing.assert_array_equal(
        sample.image, cv2.imdecode(np.frombuffer(frame.jpg, np.uint8), cv2.IMREAD_COLOR)
    )
    objects = frame.record['frames'][0]['objects']
    assert len(objects) > 5
    assert sample.boxes.tolist() == [list(item['box2d'].values()) for item in objects]
    assert [DEFAULT.names[i] for i in sample.labels] == [
        DEFAULT.categories[item['category']] for item in objects
    ]
    assert sample.boxes_complete
    assert not sample.crowd.any()
    assert sample.attributes == frame.record['attributes']
    assert (sample.source, sample.group) == ('synthetic', sample.name)
    np.testing.assert_array_equal(sample.drivable, frame.direct | frame.alternative)
    if form in BDD_FORMS:
        np.testing.assert_array_equal(sample.drivable_direct, frame.direct)
    else:
        assert sample.drivable_direct is None
    if SOURCES[form][2].startswith('drawn'):
        # Drawn from edges, a line is a fraction of a pixel off, and ends with the longer edge.
        for drawn, other in ((sample.lane, frame.lane), (frame.lane, sample.lane)):
            near = cv2.dilate(other, np.ones((3, 3), np.uint8))
            assert (near[drawn > 0] == 255).mean() > 0.98
    else:
        np.testing.assert_array_equal(sample.lane, frame.lane)


@pytest.mark.parametrize('form', BDD_FORMS + YOLOP_FORMS)
def test_read__split_without_labels(miniatures, form):
    data = open_data(miniatures.roots[form])
    assert set(data.label_sources('test').values()) == {'none'}
    sample = _read(data, 'test', 'test-13')
    assert sample.image.shape == (720, 1280, 3)
    assert (len(sample.boxes), sample.boxes_complete) == (0, False)
    assert sample.drivable is sample.drivable_direct is sample.lane is None


def test_read__plain_images(miniatures):
    data = open_data(miniatures.roots['images'])
    assert (data.layout, data.splits()) == ('images', ['all'])
    names = ['test/test-13', 'train/train-1', 'train/train-4', 'val/val-10', 'val/val-7']
    assert data.names('all') == names
    sample = _read(data, 'all', 'val/val-7')
    assert (sample.name, sample.boxes_complete) == ('val/val-7', False)
    assert sample.drivable is sample.lane is None
    assert dict(sample.attributes) == {}


@pytest.mark.parametrize('form', [*BDD_FORMS, *YOLOP_FORMS, 'images'])
def test_open_data__crosses_processes(miniatures, form):
    data = open_data(miniatures.roots[form])
    split = data.splits()[-1]
    name = data.names(split)[0]
    copy = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(copy.read(split, name, Problems(1)).image.shape, (720, 1280, 3))


@pytest.mark.parametrize('form', [*BDD_FORMS, *YOLOP_FORMS, 'images'])
def test_names__split_without_images(miniatures, form):
    data = open_data(miniatures.roots[form])
    with pytest.raises(
        DatasetError, match=f"'evening' has no images.*{data.splits()[0]}"
    ) as error:
        data.names('evening')
    assert str(data.root) in str(error.value)
    assert error.value.kind == 'no_images'
    with pytest.raises(DatasetError, match="no image 'nobody'"):
        data.read(data.splits()[0], 'nobody', Problems(1))


@pytest.mark.parametrize('image', ['a.jpg', 'a.JPG', 'a.jpeg', 'a.png', 'deep/b.png'])
def test_open_data__image_suffixes(tmp_path, image):
    (tmp_path / 'deep').mkdir()
    cv2.imwrite(str(tmp_path / image), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / '._a.jpg').write_bytes(b'no image')
    (tmp_path / 'notes.txt').write_text('no image')
    assert open_data(tmp_path).names('all') == [image.rpartition('.')[0]]


def test_names__two_images_of_one_name(tmp_path):
    for name in ('a.jpg', 'a.png'):
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"a\.png': another image has this name \('a\.jpg'\)"):
        open_data(tmp_path).names('all')


@pytest.mark.parametrize(
    ('files', 'message'),
    [
        ({}, 'expected BDD100K .* found none of them'),
        ({'notes.txt': b''}, 'expected BDD100K .* found none of them'),
        ({'images/val/a.txt': b'', 'det_annotations/val/a.json': b'{}'}, 'expected BDD100K'),
        ({'a.tar': b'no tar'}, r'a\.tar.*damaged or cut short'),
    ],
)
def test_open_data__nothing_to_read(tmp_path, files, message):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=message) as error:
        open_data(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_open_data__no_such_folder(tmp_path):
    with pytest.raises(DatasetError, match='nowhere'):
        open_data(tmp_path / 'nowhere')


@pytest.fixture
def shards(miniatures, tmp_path):
    shutil.copytree(miniatures.roots['tars'], tmp_path / 'tars')
    return tmp_path / 'tars'


def test_read_samples__tar_cut_short_counts_once_and_the_rest_is_read(miniatures, tmp_path):
    tree, cut = miniatures.roots['yolop'], tmp_path / 'cut.tar'
    with tarfile.open(cut, 'w') as tar:
        for path in sorted(p for p in tree.rglob('*') if p.is_file()):
            tar.add(path, path.relative_to(tree).as_posix())
    with tarfile.open(cut) as tar:
        last = tar.getmembers()[-1]
    cut.write_bytes(cut.read_bytes()[: last.offset_data + 100])
    assert last.name == 'll_seg_annotations/val/val-7.png'
    data = open_data(cut)
    for split, names, lost in (
        ('train', ['train-1', 'train-4'], {'damaged_tar': 1}),
        ('val', ['val-10'], {'damaged_tar': 1, 'cut_short': 1}),
    ):
        problems = Problems(2, limit=1)
        assert [sample.name for sample in read_samples(data, split, problems)] == names
        assert problems.summary()['skipped_by_kind'] == lost
        assert f"'{cut}': expected a whole" in problems.summary()['examples'][0]


def test_read_samples__damaged_tar_stops_where_nothing_may_be_lost(shards):
    path = shards / 'shard-1.tar'
    path.write_bytes(path.read_bytes()[:-12_000])
    with pytest.raises(DatasetError, match=r'1 of 4 images.*shard-1\.tar.*damaged'):
        list(read_samples(open_data(shards), 'val', Problems(4, limit=0)))


def test_read_samples__some_names(miniatures):
    data = open_data(miniatures.roots['yolop'])
    samples = read_samples(data, 'val', Problems(2), names=['val-7'])
    assert [sample.name for sample in samples] == ['val-7']


def test_settings__what_is_drawn(miniatures):
    settings = ReaderSettings(drivable='direct', lane_width=8)
    data = open_data(miniatures.roots['2020_polygons'], settings)
    assert data.label_sources('val') == {
        'boxes': 'det_20 JSON',
        'drivable': 'drawn from polygons, direct',
        'lane': 'drawn from polylines, 8 px',
    }
    frame = miniatures.truth['val'][0]
    sample = _read(data, 'val', frame.name)
    np.testing.assert_array_equal(sample.drivable, frame.direct)
    np.testing.assert_array_equal(sample.drivable_direct, frame.direct)
    assert (sample.lane > 0).sum() > 3.5 * (frame.lane > 0).sum()
