# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import yaml

from model_tools.compression.config import compression_config
from model_tools.compression.folder import CompressionFolder
from model_tools.settings import ConfigError

CONFIG = compression_config({'teacher': 't.pt', 'training': {'data': 'roads'}}, 'test')
OTHER = replace(CONFIG, keep=0.7)


@pytest.fixture
def folder(tmp_path):
    return CompressionFolder(tmp_path / 'out')


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('config.yaml', yaml.safe_dump(CONFIG.training.to_dict())),
        ('config.yaml', '{seeds: [0], variants: {a: {}}}'),
        ('config.yaml', 'a note'),
        ('config.yaml', ''),
        ('last.pt', ''),
    ],
)
def test_begin__refuses_a_run_of_something_else(folder, name, content):
    folder.root.mkdir()
    (folder.root / name).write_text(content)
    with pytest.raises(ConfigError, match=r"out': .* a run of something else; give another --out"):
        folder.begin(CONFIG)
    assert [path.read_text() for path in folder.root.iterdir()] == [content]


def test_begin__with_other_settings_until_a_round_was_made(folder):
    folder.begin(CONFIG)
    folder.begin(OTHER)
    folder.round(1).write('pruning', {})
    folder.begin(OTHER)
    with pytest.raises(ConfigError, match=r"begun with, those of '.*config\.yaml'"):
        folder.begin(CONFIG)


def test_check__writes_nothing(folder):
    folder.check(CONFIG)
    assert not folder.root.exists()


def test_read__a_damaged_record(folder):
    first = folder.round(1)
    first.write('accepted', {'a': 1})
    assert first.read('accepted') == {'a': 1}
    (first.root / 'accepted.json').write_text('{"a":')
    with pytest.raises(ConfigError, match=r"accepted.json': .* found no JSON .* made again"):
        first.read('accepted')
