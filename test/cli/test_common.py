# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from panoptic_perception.cli.common import CommandError, make_folder


def test_make_folder__makes_parents(tmp_path):
    make_folder(tmp_path / 'a' / 'b')
    make_folder(tmp_path / 'a' / 'b')
    assert (tmp_path / 'a' / 'b').is_dir()


@pytest.mark.parametrize('below', ['', 'sub'])
def test_make_folder__refuses_a_file(tmp_path, below):
    (tmp_path / 'file').write_text('')
    with pytest.raises(CommandError, match='is not a folder'):
        make_folder(tmp_path / 'file' / below)
