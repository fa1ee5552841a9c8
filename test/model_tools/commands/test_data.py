# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np
import pytest

from model_tools.cli import main
from model_tools.data.tools.check import MAX_DISTANCE


@pytest.fixture
def pictures(tmp_path):
    """Return a folder of three plain images, all different."""
    root = tmp_path / 'pictures'
    root.mkdir()
    for seed in range(3):
        scene = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), np.uint8)
        cv2.imwrite(str(root / f'{seed}.png'), cv2.resize(scene, (160, 90)))
    return root


def test_data_stats__writes_tables_json_and_picture(road_folder, tmp_path, capsys):
    out = tmp_path / 'new' / 'stats'
    assert main(['data', 'stats', str(road_folder), '--out', str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    assert sorted(path.name for path in out.iterdir()) == ['stats.json', 'stats.png']
    stats = json.loads((out / 'stats.json').read_text())
    assert {split: of['images'] for split, of in stats['splits'].items()} == {'train': 8, 'val': 2}
    assert main(['data', 'stats', str(road_folder), '--split', 'val', '--labels', 'vehicle']) == 0
    table = capsys.readouterr().out
    assert 'vehicle' in table
    assert 'person' not in table
    assert 'train' not in table


@pytest.mark.parametrize(
    ('words', 'tiles'), [([], 8), (['--count', '3'], 3), (['--names', 'road_1', 'road_0'], 2)]
)
def test_data_preview__writes_a_sheet(road_folder, tmp_path, capsys, words, tiles):
    out = tmp_path / 'new' / 'sheet.png'
    assert main(['data', 'preview', str(road_folder), '--out', str(out), *words]) == 0
    assert capsys.readouterr().out == f'{out}\n'
    height, width = cv2.imread(str(out)).shape[:2]
    assert width == min(tiles, 4) * 484 + 4
    assert height == -(-tiles // 4) * 308 + 4 + 24


def test_data_check__passes(pictures, tmp_path, capsys):
    out = tmp_path / 'new' / 'check.json'
    assert main(['data', 'check', str(pictures), '--out', str(out)]) == 0
    assert '3 images, 0 broken' in capsys.readouterr().out
    assert json.loads(out.read_text())['passed'] is True


def test_data_check__a_fault_is_exit_code_1(road_folder, pictures, capsys):
    assert main(['data', 'check', str(road_folder)]) == 1
    found = capsys.readouterr().out
    assert 'train and val: LEAK' in found
    assert 'train and val: GROUP IN BOTH toy / road_0' in found
    assert main(['data', 'check', str(road_folder), '--splits', 'val']) == 0
    (pictures / '1.png').write_bytes(b'')
    assert main(['data', 'check', str(pictures)]) == 1
    assert '3 images, 1 broken' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        (['stats', 'NOWHERE'], 'nowhere'),
        (['stats', 'PICTURES', '--split', 'val'], 'val'),
        (['stats', 'PICTURES', '--labels', 'cars'], 'cars'),
        (['preview', 'PICTURES', '--out', 'x.gif'], '.png or .jpg'),
        (['preview', 'PICTURES', '--out', 'x.png', '--count', '0'], '--count is 1 or more'),
        (['preview', 'PICTURES', '--out', 'x.png', '--names', '9'], "has no image '9'"),
        (['check', 'PICTURES', '--max-distance', '256'], '0 to 255'),
        (['check', 'PICTURES', '--splits', 'all', 'test'], 'test'),
    ],
)
def test_data__malformed(words, sentence, pictures, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    places = {'PICTURES': str(pictures), 'NOWHERE': str(tmp_path / 'nowhere')}
    assert main(['data', *(places.get(word, word) for word in words)]) == 2
    error = capsys.readouterr().err
    assert error.startswith('model_tools: error: ')
    assert sentence in error
    assert error.count('\n') == 1
    assert not (tmp_path / 'x.png').exists()


def test_data_check__help_names_the_default_distance_and_the_exit_codes(capsys):
    with pytest.raises(SystemExit):
        main(['data', 'check', '--help'])
    text = ' '.join(capsys.readouterr().out.split())
    assert f'({MAX_DISTANCE})' in text
    assert 'Exit code 1 if' in text


def test_data_speed__measures_input_and_network(road_folder, small_network, tmp_path, capsys):
    config = {
        'input_wh': [160, 96],
        'canvas_wh': [160, 96],
        'batch_size': 4,
        'precision': '32-true',
        'network': small_network.to_dict(),
    }
    (tmp_path / 'config.yaml').write_text(json.dumps(config))  # JSON is YAML
    words = ['data', 'speed', str(road_folder), '--config', str(tmp_path / 'config.yaml')]
    out = tmp_path / 'new' / 'speed.json'
    assert main([*words, '--steps', '1', '--set', 'batch_size=2', '--out', str(out)]) == 0
    speed = json.loads(out.read_text())
    assert json.loads(capsys.readouterr().out) == speed
    assert speed['batch_size'] == 2
    assert set(speed['images_per_second']) == {'input', 'network', 'both'}
    assert all(value > 0 for value in speed['images_per_second'].values())
    assert 0 <= speed['input_share'] < 1
    assert main([*words, '--steps', '0']) == 2
    assert '--steps is 1 or more, found 0' in capsys.readouterr().err
