# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from panoptic_perception.core.files import durable, whole_file, write_json, write_whole


def test_whole_file__appears_when_the_block_ends(tmp_path):
    path = tmp_path / 'a.b.txt'
    with whole_file(path) as part:
        assert part.suffix == '.txt'
        part.write_text('new')
        assert not path.exists()
    assert path.read_text() == 'new'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('error', [KeyboardInterrupt, OSError, SystemExit])
def test_whole_file__an_exception_leaves_the_older_file(tmp_path, error):
    path = tmp_path / 'a.txt'
    path.write_text('old')

    def write_and_fail():
        with whole_file(path) as part:
            part.write_text('new')
            raise error

    with pytest.raises(error):
        write_and_fail()
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_write_whole(tmp_path):
    write_whole(tmp_path / 'a', b'\0\1')
    assert (tmp_path / 'a').read_bytes() == b'\0\1'


def test_write_whole__what_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'folder' / 'file').touch()
    with pytest.raises(OSError, match=r"folder': cannot be written: Is a directory"):
        write_whole(tmp_path / 'folder', b'content')
    with pytest.raises(OSError, match=r"nowhere/file': cannot be written: No such file"):
        write_whole(tmp_path / 'nowhere' / 'file', b'content')
    assert [path.name for path in tmp_path.iterdir()] == ['folder']


def test_write_json(tmp_path):
    values = {'a': [1, 2.5, None], 'b': {'ü': True}}
    write_json(tmp_path / 'a.json', values)
    text = (tmp_path / 'a.json').read_text()
    assert json.loads(text) == values
    assert text.endswith('}\n')


def test_durable(tmp_path):
    with durable(tmp_path / 'a') as file:
        file.write(b'content')
    assert file.closed
    assert (tmp_path / 'a').read_bytes() == b'content'
