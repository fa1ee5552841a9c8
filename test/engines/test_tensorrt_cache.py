# SPDX-License-Identifier: Apache-2.0
"""The cache folder of TensorRT, filled by a builder that writes as TensorRT does."""

from __future__ import annotations

import dataclasses
import errno
import os
import sys
import time
from pathlib import Path

import pytest

from panoptic_perception.engines import EngineError, read_model
from panoptic_perception.engines import tensorrt_cache as module
from panoptic_perception.engines.tensorrt_cache import (
    cache_folder,
    open_cached,
    tensorrt_version,
)


class Builder:
    """Read the folder's one file if it is there, or write it; remember what was done."""

    def __init__(self) -> None:
        self.built: list[Path | None] = []

    def __call__(self, folder: Path | None) -> str:
        file = folder / 'graph.engine' if folder else None
        if file and file.exists():
            if file.read_text() != 'whole':
                raise EngineError('cannot read graph.engine')
            return 'read'
        self.built.append(folder)
        if file:
            file.write_text('whole')
        return 'built'


@pytest.fixture
def builder() -> Builder:
    return Builder()


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / 'cache' / 'key'


def test_open_cached__built_once(builder, folder):
    assert open_cached(folder, builder) == ('built', True, '')
    assert builder.built[0].parent.parent == folder.parent
    assert list(folder.parent.iterdir()) == [folder]
    assert open_cached(folder, builder) == ('read', True, '')
    assert len(builder.built) == 1


def test_open_cached__a_failed_build_leaves_nothing(folder):
    def fail(part):
        (part / 'half').touch()
        raise EngineError('no memory')

    with pytest.raises(EngineError, match='no memory'):
        open_cached(folder, fail)
    assert list(folder.parent.iterdir()) == []


def test_open_cached__what_a_killed_build_left_goes_after_a_day(builder, folder):
    killed, under_way = folder.parent / '.part-killed', folder.parent / '.part-under_way'
    for part in (killed, under_way):
        (part / 'new').mkdir(parents=True)
        (part / 'new' / 'graph.engine').touch()
    yesterday = time.time() - 25 * 3600
    os.utime(killed, (yesterday, yesterday))
    assert open_cached(folder, builder) == ('built', True, '')
    assert set(folder.parent.iterdir()) == {folder, under_way}


def test_open_cached__a_damaged_cache_is_made_anew(builder, folder):
    folder.mkdir(parents=True)
    (folder / 'graph.engine').write_text('cut sh')
    note = f'the cache {folder} was of no use: cannot read graph.engine'
    assert open_cached(folder, builder) == ('built', True, note)
    assert open_cached(folder, builder) == ('read', True, '')


def test_open_cached__a_good_cache_outlives_a_fault_that_is_not_its_own(builder, folder):
    def fail(part):
        raise EngineError('no free memory on the GPU')

    open_cached(folder, builder)
    with pytest.raises(EngineError, match='no free memory'):
        open_cached(folder, fail)
    assert open_cached(folder, builder) == ('read', True, '')
    assert list(folder.parent.iterdir()) == [folder]


def test_open_cached__a_place_that_cannot_be_written(builder, folder):
    folder.parent.write_text('a file where the folder should be')
    made, is_kept, note = open_cached(folder, builder)
    assert (made, is_kept, builder.built) == ('built', False, [None])
    assert note.startswith(f'TensorRT builds at every start: {folder.parent}: ')


@pytest.mark.parametrize('unreadable', ['place', 'files'])
def test_open_cached__a_cache_that_may_not_be_read(builder, folder, monkeypatch, unreadable):
    def refuse(*_):
        raise PermissionError(errno.EACCES, 'Permission denied')

    def read(part):
        return refuse() if part == folder else builder(part)

    folder.mkdir(parents=True)
    if unreadable == 'place':
        monkeypatch.setattr(Path, 'is_dir', refuse)  # root may read anywhere
    made, is_kept, note = open_cached(folder, read)
    assert (made, is_kept) == ('built', unreadable == 'files')
    assert note.startswith(f'the cache {folder} was of no use: ')
    assert 'Permission denied' in note


def test_open_cached__a_damaged_cache_that_cannot_be_replaced(builder, folder, monkeypatch):
    def refuse(**_):
        raise OSError(errno.EROFS, 'Read-only file system')

    folder.mkdir(parents=True)
    (folder / 'graph.engine').write_text('cut sh')
    monkeypatch.setattr(module, 'TemporaryDirectory', refuse)  # root may write anywhere
    made, is_kept, note = open_cached(folder, builder)
    assert (made, is_kept, builder.built) == ('built', False, [None])
    assert note == (
        f'the cache {folder} was of no use: cannot read graph.engine; '
        f'TensorRT builds at every start: {folder.parent}: Read-only file system'
    )


def test_open_cached__what_cannot_be_moved_into_place(builder, folder):
    def build_meanwhile(part):
        folder.write_text('a file where the folder should be')
        return builder(part)

    made, is_kept, note = open_cached(folder, build_meanwhile)
    assert (made, is_kept) == ('built', False)
    assert note == f'TensorRT builds at every start: {folder}: Not a directory'
    assert list(folder.parent.iterdir()) == [folder]


def test_open_cached__another_process_was_faster(builder, folder):
    def build_slowly(part):
        open_cached(folder, builder)
        return builder(part)

    assert open_cached(folder, build_slowly) == ('built', True, '')
    assert list(folder.parent.iterdir()) == [folder]
    assert open_cached(folder, builder) == ('read', True, '')


def test_cache_folder__differs_with_whatever_changes_the_engine(tiny_model, monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    model = read_model(tiny_model)
    facts = {
        'precision': 'fp16',
        'gpu': 'NVIDIA A10/24GB',
        'onnxruntime': '1.32.0',
        'tensorrt': '10.9.0',
    }
    others = [{'precision': 'fp32'}, {'gpu': 'Orin'}, {'onnxruntime': '1.32.1'}, {'tensorrt': ''}]
    folders = [cache_folder(model, **facts | other) for other in ({}, *others)]
    folders.append(cache_folder(dataclasses.replace(model, sha256='0' * 64), **facts))
    assert len(set(folders)) == 6
    assert folders[0] == (
        tmp_path / 'panoptic_perception' / 'tensorrt'
        / f'{model.sha256[:16]}-fp16-NVIDIA-A10-24GB-onnxruntime-1.32.0-tensorrt-10.9.0'
    )  # fmt: skip


def test_tensorrt_version__of_whichever_package_brought_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'path', [str(tmp_path)])
    assert tensorrt_version() == ''
    metadata = tmp_path / 'tensorrt_cu12-10.9.0.34.dist-info' / 'METADATA'
    metadata.parent.mkdir()
    metadata.write_text('Metadata-Version: 2.1\nName: tensorrt_cu12\nVersion: 10.9.0.34\n')
    assert tensorrt_version() == '10.9.0.34'
