# SPDX-License-Identifier: Apache-2.0
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from model_tools.data.augmentation import TRAINING
from model_tools.data.batches import BatchSource
from model_tools.data.cache import build_cache
from model_tools.data.cache_folder import CacheError, open_cache
from model_tools.data.label_set import VEHICLE
from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers import ReaderSettings, open_data, read_samples

WH = (160, 96)


class Counted:
    """A data set that counts how often it is read."""

    def __init__(self, root, settings=None):
        self._data = open_data(Path(root), settings or ReaderSettings())
        self.reads = []

    def __getattr__(self, name):
        return getattr(self._data, name)

    def read(self, split, name, problems):
        self.reads.append(name)
        return self._data.read(split, name, problems)


@pytest.fixture
def roads(road_folder, tmp_path):
    return shutil.copytree(road_folder, tmp_path / 'roads')


def opened(root, folder, wh=WH, *, settings=None, max_skipped=0.0):
    """Return a cache, its problems, and how many images were read for it."""
    data = Counted(root, settings)
    cache, problems = open_cache(data, 'train', wh, folder, max_skipped=max_skipped)
    return cache, problems, len(data.reads)


def shown(folder):
    """Return the names in a folder that are not hidden."""
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith('.'))


def assert_same(a, b):
    assert a.names == b.names
    assert (a.sources, a.groups, a.complete) == (b.sources, b.groups, b.complete)
    for name in ('images', 'masks'):
        assert torch.equal(torch.stack(list(getattr(a, name))), torch.stack(getattr(b, name)))
    for name in ('boxes', 'labels', 'crowd'):
        for x, y in zip(getattr(a, name), getattr(b, name), strict=True):
            assert x.dtype == y.dtype
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize('form', ['yolop', 'tars', '2018_list', '2020_polygons'])
def test_open_cache__holds_what_memory_would(miniatures, tmp_path, form):
    data = open_data(miniatures.roots[form])
    cache, _ = open_cache(data, 'train', WH, tmp_path, max_skipped=0)
    assert_same(cache, build_cache(read_samples(data, 'train', Problems(2)), WH))


def test_open_cache__batches_equal_those_from_memory(roads, tmp_path):
    mapped, *_ = opened(roads, tmp_path / 'cache')
    in_memory = build_cache(read_samples(open_data(roads), 'train', Problems(8)), WH)
    values = {
        'input_wh': (96, 64),
        'augmentation': TRAINING,
        'batch_size': 4,
        'device': torch.device('cpu'),
    }
    a, b = (BatchSource(cache, None, **values).batch(1) for cache in (mapped, in_memory))
    assert a.names == b.names
    assert torch.equal(a.images, b.images)
    assert torch.equal(a.masks, b.masks)
    assert torch.equal(a.known, b.known)
    assert all(map(torch.equal, a.boxes, b.boxes))


def test_open_cache__is_decoded_once(roads, tmp_path):
    first, problems, reads = opened(roads, tmp_path / 'cache')
    again, same_problems, more_reads = opened(roads, tmp_path / 'cache')
    assert (reads, more_reads) == (8, 0)
    assert same_problems == problems
    assert_same(again, first)
    (name,) = shown(tmp_path / 'cache')
    found = sorted(p.name for p in (tmp_path / 'cache' / name).iterdir())
    assert found == ['cache.json', 'images.npy', 'masks.npy', 'objects.npz']
    assert np.load(tmp_path / 'cache' / name / 'images.npy').shape == (8, 96, 160, 3)


def test_open_cache__settings_lie_side_by_side(roads, tmp_path):
    other = ReaderSettings(labels=VEHICLE)
    assert opened(roads, tmp_path / 'cache')[2] == 8
    assert opened(roads, tmp_path / 'cache', (64, 32))[2] == 8
    assert opened(roads, tmp_path / 'cache', settings=other)[2] == 8
    assert len(shown(tmp_path / 'cache')) == 3
    assert opened(roads, tmp_path / 'cache')[2] == 0


def _change_label(roads):
    path = roads / 'det_annotations' / 'train' / 'road_3.json'
    path.write_text(path.read_text().replace('"car"', '"bus"') + ' ')


def _touch_mask(roads):
    os.utime(roads / 'll_seg_annotations' / 'train' / 'road_3.png', (1, 1))


def _remove_image(roads):
    (roads / 'images' / 'train' / 'road_3.jpg').unlink()


@pytest.mark.parametrize('change', [_change_label, _touch_mask, _remove_image])
def test_open_cache__changed_data_are_decoded_anew(roads, tmp_path, change, capsys):
    opened(roads, tmp_path / 'cache')
    change(roads)
    cache, _, reads = opened(roads, tmp_path / 'cache')
    assert reads == len(cache) == (7 if change is _remove_image else 8)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"files of '{roads}' changed: decoding anew")
    assert len(shown(tmp_path / 'cache')) == 1
    assert opened(roads, tmp_path / 'cache')[2] == 0


def test_open_cache__broken_images_count_as_ever(roads, tmp_path):
    (roads / 'da_seg_annotations' / 'train' / 'road_3.png').unlink()
    (roads / 'images' / 'train' / 'road_0.jpg').write_bytes(b'no image')
    with pytest.raises(DatasetError, match=r'2 of 8 images cannot be used.*; the first: .*road_0'):
        opened(roads, tmp_path / 'cache', max_skipped=0.2)
    assert shown(tmp_path / 'cache') == []
    cache, problems, _ = opened(roads, tmp_path / 'cache', max_skipped=0.25)
    assert cache.names == [f'road_{i}' for i in (1, 2, 4, 5, 6, 7)]
    assert (problems['images'], problems['skipped']) == (8, 2)
    assert problems['skipped_by_kind'] == {'bad_image': 1, 'missing_mask': 1}
    cache, again, reads = opened(roads, tmp_path / 'cache', max_skipped=0.25)
    assert (len(cache), again, reads) == (6, problems, 0)


def test_open_cache__all_images_broken(roads, tmp_path):
    for path in (roads / 'images' / 'train').iterdir():
        path.write_bytes(b'no image')
    with pytest.raises(DatasetError, match='no images to train on'):
        opened(roads, tmp_path / 'cache', max_skipped=1.0)
    assert shown(tmp_path / 'cache') == []


def test_open_cache__interrupted(roads, tmp_path, monkeypatch):
    read = Counted.read

    def interrupted(self, split, name, problems):
        if name == 'road_5':
            raise KeyboardInterrupt
        return read(self, split, name, problems)

    with monkeypatch.context() as patch:
        patch.setattr(Counted, 'read', interrupted)
        with pytest.raises(KeyboardInterrupt):
            opened(roads, tmp_path / 'cache')
    assert [p.suffix for p in (tmp_path / 'cache').iterdir()] == ['.lock']
    assert opened(roads, tmp_path / 'cache')[2] == 8


KILLED = """
import sys, time
from pathlib import Path
from model_tools.data import cache_folder
from model_tools.data.readers import open_data

decode_one = cache_folder._decode_one

def stuck(job, name):
    if name == 'road_5':
        print('stuck', flush=True)
        time.sleep(60)
    return decode_one(job, name)

cache_folder._decode_one = stuck
root, folder = map(Path, sys.argv[1:])
cache_folder.open_cache(open_data(root), 'train', (160, 96), folder, max_skipped=0)
"""


def test_open_cache__killed_leaves_nothing_that_is_taken_for_whole(roads, tmp_path):
    folder = tmp_path / 'cache'
    command = [sys.executable, '-c', KILLED, str(roads), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == 'stuck\n'
        process.send_signal(signal.SIGKILL)
    assert shown(folder) == []
    assert [p.suffix for p in sorted(folder.iterdir())] == ['.lock', '.part']
    assert opened(roads, folder)[2] == 8
    assert not list(folder.glob('.*.part'))


OPENED = """
import sys
from pathlib import Path
from model_tools.data import cache_folder
from model_tools.data.readers import open_data

decode_one, names = cache_folder._decode_one, []

def counted(job, name):
    names.append(name)
    return decode_one(job, name)

cache_folder._decode_one = counted
root, folder = map(Path, sys.argv[1:])
sys.stdin.readline()
cache_folder.open_cache(open_data(root), 'train', (160, 96), folder, max_skipped=0)
print(len(names))
"""


def test_open_cache__one_of_two_processes_decodes(roads, tmp_path):
    command = [sys.executable, '-c', OPENED, str(roads), str(tmp_path / 'cache')]
    pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'text': True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for process in processes:
        process.stdin.write('go\n')
        process.stdin.flush()
    assert sorted(int(process.communicate()[0]) for process in processes) == [0, 8]


def test_open_cache__no_room(roads, tmp_path):
    message = r"cache'.* needs 320\.0 GB, .* GB are free: .*set `cache` to"
    with pytest.raises(CacheError, match=message):
        opened(roads, tmp_path / 'cache', (100_000, 100_000))
    assert shown(tmp_path / 'cache') == []


def test_open_cache__disk_fills_up(roads, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(CacheError, match=r'cannot be written \(File too large\): set `cache`'):
            opened(roads, tmp_path / 'cache')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [p.suffix for p in (tmp_path / 'cache').iterdir()] == ['.lock']


def test_open_cache__folder_that_cannot_be(roads, tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(CacheError, match=r"file/cache'.* cannot be written \(Not a directory\)"):
        opened(roads, tmp_path / 'file' / 'cache')


def test_open_cache__record_says_what_it_is_made_of(roads, tmp_path):
    opened(roads, tmp_path)
    (path,) = tmp_path.glob('*/cache.json')
    record = json.loads(path.read_text())
    assert record['settings']['canvas_wh'] == [160, 96]
    assert record['settings']['labels']['names'] == ['vehicle', 'person', 'cycle']
    assert record['problems']['images'] == 8
