# SPDX-License-Identifier: Apache-2.0
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from model_tools.compression.ablation import ablate
from model_tools.compression.ablation_config import load_ablation
from model_tools.settings import ConfigError
from model_tools.training.checkpoint import CheckpointError
from model_tools.training.stopping import Stop
from panoptic_perception.engines import read_model

VARIANTS = {
    'safe, distilled': {'training.distillation': {}},
    'narrow': {'narrow': 2},
    'too narrow': {'keep': 0.01},
}


@pytest.fixture(scope='module')
def settings(config):
    """Return plain settings of a short comparison."""
    common = {**config.to_dict(), 'rounds': 1, 'last_epochs': 1, 'allowed_fall': None}
    common['training'] = {**common['training'], 'distillation': None}
    del common['training']['network']
    return {'compression': common, 'variants': VARIANTS, 'seeds': [3]}


@pytest.fixture
def write(tmp_path):
    def write(settings):
        path = tmp_path / 'ablation.yaml'
        path.write_text(yaml.safe_dump(settings, sort_keys=False))
        return path

    return write


def test_load_ablation__shipped_settings():
    config = Path(__file__).parents[3] / 'config' / 'ablation.yaml'
    given = {'compression.teacher': 't.pt', 'compression.training.data': 'roads'}
    ablation = load_ablation(config, given)
    assert ablation.seeds == (0, 1, 2)
    steps = {v: ablation.settings(v, 0) for v in ablation.variants if 'narrow' not in v}
    assert {c.last_epochs + (c.rounds - 1) * c.training.epochs for c in steps.values()} == {2}


def test_ablate__every_variant_at_the_same_cost(settings, write, tmp_path):
    ablation = load_ablation(write(settings))
    assert not ablate(ablation, tmp_path / 'out', stop=Stop(minutes=0))
    assert ablate(ablation, tmp_path / 'out', stop=Stop())
    first, *rows, failed = json.loads((tmp_path / 'out' / 'ablation.json').read_text())
    assert first['variant'] == 'teacher'
    assert first['scores']['drivable_iou'][0] > 0.8
    assert [row['variant'] for row in (*rows, failed)] == list(VARIANTS)
    assert failed['seeds'] == []
    assert failed['costs'] == failed['scores'] == {}
    told = (tmp_path / 'out' / 'too_narrow' / 'seed_3' / 'failed.txt').read_text()
    assert 'cannot be reached' in told
    teacher = json.loads(
        (tmp_path / 'out' / 'safe_distilled' / 'seed_3' / 'compression.json').read_text()
    )['teacher']
    for row in rows:
        assert row['seeds'] == [3]
        assert len(row['costs']['ms']) == 1
        for gmac in row['costs']['GMAC']:
            assert 0.7 * 0.5 < gmac * 1e9 / teacher['macs'] <= 0.5
        assert min(row['scores']['drivable_iou']) > 0.3
        assert -100 < row['scores']['delta_m %'][0] < 100
    distilled, narrow = rows
    for kind in ('pruned', 'holdout_pruned'):
        assert 0 < distilled[kind]['drivable_iou'][0] != distilled['scores']['drivable_iou'][0]
        assert narrow[kind] == failed[kind] == {}
    assert distilled['holdout']['drivable_iou'][0] > 0.3
    assert narrow['holdout'] == {}
    assert '| too narrow' in (tmp_path / 'out' / 'ablation.md').read_text()
    assert (tmp_path / 'out' / 'ablation.png').is_file()
    with pytest.raises(ConfigError, match='with other settings'):
        ablate(replace(ablation, seeds=(2,)), tmp_path / 'out', stop=Stop())
    pruned = tmp_path / 'out' / 'safe_distilled' / 'seed_3' / 'pruned.onnx'
    pruned.unlink()  # as when cut off at its scores
    assert ablate(ablation, tmp_path / 'out', stop=Stop())
    assert pruned.is_file()


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'variants': {}}, 'variants is .* expected variants'),
        ({'variants': {'a': {'kep': 1}}}, r"variant 'a': unknown keys \['kep'\]"),
        ({'variants': {'a': {'keep': 7}}}, 'keep is 7'),
        ({'variants': {'a': 3}}, 'variants.a is 3, expected a mapping'),
        ({'variants': {'a': {'narrow': 'many'}}}, 'narrow is a number'),
        ({'variants': {'a, b': {}, 'a b': {}}}, 'differ in letters'),
        (
            {'variants': {'a': {}, 'b': {'engine': 'openvino'}}},
            r"variants change \['engine'\], without which they do not compare",
        ),
        ({'seeds': 3}, 'seeds is 3, expected a list'),
        ({'seeds': ['a']}, 'expected a list of whole numbers'),
        ({'seed': [1]}, r"unknown keys \['seed'\]"),
    ],
)
def test_load_ablation__refuses(settings, write, change, words):
    with pytest.raises(ConfigError, match=words):
        load_ablation(write({**settings, **change}))


def test_ablate__settings_may_change_before_anything_is_made(settings, write, tmp_path):
    ablation, out = load_ablation(write(settings)), tmp_path / 'out'
    for seeds in ((2,), (4, 5)):
        assert not ablate(replace(ablation, seeds=seeds), out, stop=Stop(minutes=0))
        assert yaml.safe_load((out / 'ablation.yaml').read_text())['seeds'] == list(seeds)


def test_ablate__the_reference_is_of_the_settings(settings, write, tmp_path):
    path, out = write(settings), tmp_path / 'out'
    for input_wh in ((160, 96), (96, 64)):
        ablation = load_ablation(path, {'compression.training.input_wh': list(input_wh)})
        assert not ablate(ablation, out, stop=Stop(minutes=0))
        assert read_model(out / 'teacher.onnx').input_wh == input_wh
    (out / 'teacher.onnx').unlink()
    assert not ablate(ablation, out, stop=Stop(minutes=0))
    assert (out / 'teacher.onnx').is_file()


def test_ablate__what_all_variants_lack_is_no_failure_of_one(settings, write, tmp_path):
    path, out = write(settings), tmp_path / 'out'
    ablation = load_ablation(path, {'compression.teacher': str(tmp_path / 'nowhere.pt')})
    with pytest.raises(CheckpointError, match='no such checkpoint'):
        ablate(ablation, out, stop=Stop())
    assert not out.exists()
