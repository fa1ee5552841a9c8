# SPDX-License-Identifier: Apache-2.0
import io
import os
import pickle
import tarfile
from concurrent.futures import ProcessPoolExecutor

import pytest

from model_tools.data.files import FolderFiles, TarFiles, open_files
from model_tools.data.problems import DatasetError

CONTENT = {
    'images/val/a.jpg': b'a' * 700,
    'images/val/deep/b.JPG': b'b',
    'images/val/c.png': b'',
    'images/train/d.jpg': b'd' * 2000,
    'top.jpg': b't',
    'images/val/._a.jpg': b'hidden',
}


def _tar(path, content, prefix=''):
    with tarfile.open(path, 'w') as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(prefix + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


@pytest.fixture(params=['folder', 'tar', 'shards', 'tar with ./'])
def files(request, tmp_path):
    root = tmp_path / 'data'
    root.mkdir()
    if request.param == 'folder':
        for name, data in CONTENT.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        return open_files(root)
    if request.param == 'shards':
        for number in range(3):
            part = {k: v for i, (k, v) in enumerate(CONTENT.items()) if i % 3 == number}
            _tar(root / f'{number}.tar', part)
        (root / 'README.md').write_text('notes do not matter')
        return open_files(root)
    _tar(root / 'all.tar', CONTENT, prefix='./' if request.param == 'tar with ./' else '')
    return open_files(root / 'all.tar')


def test_files__the_same_from_folder_and_tars(files):
    assert files.damage == ()
    assert files.folders('') == ['images']
    assert files.folders('images') == ['train', 'val']
    assert files.folders('images/val') == ['deep']
    assert files.folders('nowhere') == []
    assert files.paths('images/val', ('.jpg',)) == ['images/val/a.jpg', 'images/val/deep/b.JPG']
    assert files.paths('', ('.jpg', '.png')) == [
        'images/train/d.jpg',
        'images/val/a.jpg',
        'images/val/c.png',
        'images/val/deep/b.JPG',
        'top.jpg',
    ]
    assert files.paths('images/va', ('.jpg',)) == []
    assert files.exists('images/val/a.jpg')
    assert not files.exists('images/val')
    for name in files.paths('', ('.jpg', '.png')):
        data = {k.lower(): v for k, v in CONTENT.items()}[name.lower()]
        assert files.read(name) == data
        assert files.read(name, offset=1, size=3) == data[1:4]
        assert files.read(name, offset=5000) == b''


def test_files__missing_file_is_named(files):
    with pytest.raises(DatasetError, match=r'images/val/x\.jpg') as error:
        files.read('images/val/x.jpg')
    assert error.value.kind == 'unreadable'


def test_files__read_in_other_processes(files):
    with ProcessPoolExecutor(1) as pool:
        assert pool.submit(files.read, 'images/val/a.jpg').result() == b'a' * 700
    assert pickle.loads(pickle.dumps(files)).read('top.jpg') == b't'


def test_open_files__folder_with_tars_and_folders_is_a_folder(tmp_path):
    _tar(tmp_path / 'backup.tar', CONTENT)
    (tmp_path / 'images').mkdir()
    assert isinstance(open_files(tmp_path), FolderFiles)


@pytest.mark.parametrize('name', ['nowhere', 'file.zip'])
def test_open_files__neither_folder_nor_tar(tmp_path, name):
    (tmp_path / 'file.zip').write_bytes(b'PK')
    with pytest.raises(DatasetError, match=f'{name}.*expected a folder or a .tar file'):
        open_files(tmp_path / name)


# One 512-byte header a file; a.jpg has 2 blocks, b.JPG 1, c.png none, d.jpg 4.
@pytest.mark.parametrize(
    ('kept', 'whole', 'cut'),
    [
        (0, [], []),
        (100, [], []),  # within the first header
        (512 + 300, [], ['images/val/a.jpg']),
        (512 + 700, ['images/val/a.jpg'], []),  # only the padding is lost
        (3 * 512, ['images/val/a.jpg'], []),  # at the border of two files
        (3 * 512 + 100, ['images/val/a.jpg'], []),
        (6 * 512 + 600, ['images/val/a.jpg', 'images/val/c.png'], ['images/train/d.jpg']),
    ],
)
def test_tar_files__cut_short(tmp_path, kept, whole, cut):
    path = tmp_path / 'data.tar'
    _tar(path, CONTENT)
    path.write_bytes(path.read_bytes()[:kept])
    files = TarFiles(path, [path])
    assert [error.kind for error in files.damage] == ['damaged_tar']
    assert str(path) in str(files.damage[0])
    for name in whole:
        assert files.read(name) == CONTENT[name]
    for name in cut:
        with pytest.raises(DatasetError, match='the tar is cut short') as error:
            files.read(name)
        assert error.value.kind == 'cut_short'
        assert f'{path}:{name}' in str(error.value)


def test_tar_files__shard_that_went_away(tmp_path):
    path = tmp_path / 'data.tar'
    _tar(path, CONTENT)
    files = open_files(path)
    path.unlink()
    with pytest.raises(DatasetError, match=r'data\.tar:top\.jpg.*cannot be read: No such file'):
        files.read('top.jpg')


@pytest.mark.parametrize('content', [b'no tar at all' * 100, b'\x1f\x8b' + b'\x00' * 600])
def test_tar_files__no_tar_beside_a_whole_one(tmp_path, content):
    (tmp_path / 'a.tar').write_bytes(content)
    _tar(tmp_path / 'b.tar', CONTENT)
    files = open_files(tmp_path)
    assert len(files.damage) == 1
    assert 'a.tar' in str(files.damage[0])
    assert files.read('top.jpg') == b't'


@pytest.mark.parametrize('linked', [True, False])
def test_place(files, tmp_path, monkeypatch, linked):
    if not linked:
        monkeypatch.setattr(os, 'link', _refuse)
    for path in ('images/train/d.jpg', 'images/val/c.png'):
        target = tmp_path / path.rpartition('/')[2]
        files.place(path, target)
        assert target.read_bytes() == CONTENT[path]
        assert not target.with_name(f'.{target.name}.part').exists()


def test_place__of_a_symbolic_link(tmp_path):
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data/real.jpg').write_bytes(b'real')
    (tmp_path / 'data/a.jpg').symlink_to('real.jpg')
    (tmp_path / 'elsewhere').mkdir()
    FolderFiles(tmp_path / 'data').place('a.jpg', tmp_path / 'elsewhere/a.jpg')
    assert not (tmp_path / 'elsewhere/a.jpg').is_symlink()
    assert (tmp_path / 'elsewhere/a.jpg').read_bytes() == b'real'


def _refuse(*_):
    raise OSError('another file system')
