# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from panoptic_perception.cli.common import CommandError, make_folder, whole_file, write_whole


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


def test_make_folder__makes_parents(tmp_path):
    make_folder(tmp_path / 'a' / 'b')
    make_folder(tmp_path / 'a' / 'b')
    assert (tmp_path / 'a' / 'b').is_dir()


@pytest.mark.parametrize('below', ['', 'sub'])
def test_make_folder__refuses_a_file(tmp_path, below):
    (tmp_path / 'file').write_text('')
    with pytest.raises(CommandError, match='is not a folder'):
        make_folder(tmp_path / 'file' / below)
