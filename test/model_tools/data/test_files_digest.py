# SPDX-License-Identifier: Apache-2.0
import os

import pytest

from model_tools.data.files_digest import files_digest

NAMES = ['aachen/a', 'b']
FILES = ('images/aachen/a.jpg', 'images/b.PNG', 'masks/a.png', 'labels/a.json', 'labels/all.json')


@pytest.fixture
def root(tmp_path):
    for name in FILES:
        write(tmp_path / 'data' / name)
    return tmp_path / 'data'


def write(path, text='x'):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (1, 1))


@pytest.mark.parametrize('name', FILES)
def test_files_digest__file_of_a_sample(root, name):
    before = files_digest(root, NAMES)
    os.utime(root / name, (2, 2))
    touched = files_digest(root, NAMES)
    write(root / name, 'longer')
    longer = files_digest(root, NAMES)
    (root / name).unlink()
    assert len({before, touched, longer, files_digest(root, NAMES)}) == 4


@pytest.mark.parametrize(
    'name',
    [
        'curves.png',
        'last.pt',
        'masks/c.png',
        '.hidden/a.png',
        'masks/._a.png',
        'cache/roads-1/cache.json',
    ],
)
def test_files_digest__other_files_come_and_go(root, name):
    before = files_digest(root, NAMES)
    write(root / name)
    assert files_digest(root, NAMES) == before


def test_files_digest__moved_with_its_times_is_the_same(root):
    before = files_digest(root, NAMES)
    assert files_digest(root.rename(root.with_name('moved')), NAMES) == before


def test_files_digest__links_are_followed_but_not_round_and_round(root, tmp_path):
    (root / 'round').symlink_to(root)
    (root / 'images' / 'nowhere.jpg').symlink_to(tmp_path / 'nowhere')
    linked = tmp_path / 'linked'
    linked.mkdir()
    for folder in root.iterdir():
        (linked / folder.name).symlink_to(folder)
    before = files_digest(linked, NAMES)
    os.utime(root / 'masks' / 'a.png', (2, 2))
    assert files_digest(linked, NAMES) != before


def test_files_digest__one_tar(tmp_path):
    tar = tmp_path / 'roads.tar'
    write(tar)
    before = files_digest(tar, NAMES)
    write(tar, 'longer')
    assert files_digest(tar, NAMES) != before
