# SPDX-License-Identifier: Apache-2.0
import json
import math
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
import yaml

from model_tools.compression.compress import ATTEMPTS, compress
from model_tools.compression.distillation import Distillation
from model_tools.compression.gate import GateError
from model_tools.compression.latency import LatencyError
from model_tools.compression.selection import BudgetError
from model_tools.data.problems import DatasetError
from model_tools.data.sample import IGNORE
from model_tools.settings import ConfigError
from model_tools.training.checkpoint import load_checkpoint, load_network
from model_tools.training.start import TeacherError
from model_tools.training.stopping import Stop
from model_tools.training.trainer import train
from panoptic_perception.engines import load_engine
from panoptic_perception.runtime.perceiver import Perceiver


@pytest.fixture(scope='module')
def made(config, tmp_path_factory):
    """Compress in two calls, of which the first has no time for the tuning."""
    out = tmp_path_factory.mktemp('compressed')
    assert compress(config, out, stop=Stop(minutes=0)) is None
    assert not (out / 'round_1' / 'accepted.json').exists()
    assert compress(config, out) == out / 'student.onnx'
    return out


def test_compress__the_student_keeps_to_its_budget(config, made):
    record = json.loads((made / 'compression.json').read_text())
    teacher, rounds = record['teacher'], record['rounds']
    assert 0 < record['measured_ms']['student'] < 2 * record['measured_ms']['teacher']
    assert [r['round'] for r in rounds] == [1, 2]
    for done, share in zip(rounds, (0.5**0.5, 0.5), strict=True):
        assert done['taken_back'] == []
        assert 0.7 * share < done['tuned']['macs'] / teacher['macs'] <= share
        assert done['tuned']['macs'] == done['pruned']['macs']
    net = load_network(made / 'student.pt')
    assert sum(p.numel() for p in net.parameters()) == rounds[1]['tuned']['params']
    assert rounds[1]['tuned']['params'] < teacher['params']
    assert (made / 'curves.png').read_bytes().startswith(b'\x89PNG')


def test_compress__the_student_still_sees_the_road(made):
    record = json.loads((made / 'compression.json').read_text())
    assert record['teacher']['holdout']['drivable_iou'] > 0.8
    assert record['rounds'][1]['tuned']['holdout']['drivable_iou'] > 0.8


def test_compress__the_model_file_runs_and_names_its_origin(config, made):
    engine = load_engine(made / 'student.onnx')
    image = np.full((96, 160, 3), 60, np.uint8)
    image[48:] = 120
    drivable = Perceiver(engine)(image).drivable_probability
    assert drivable[90].mean() > drivable[5].mean() + 100
    origin = engine.model.provenance['compression']
    assert origin['settings']['criterion'] == 'safe_taylor_conflict'
    assert origin['settings']['teacher'] == 'weights.pt'
    assert origin['settings']['training']['data'] == Path(config.training.data).name
    assert len(origin['teacher_sha256']) == 64


def test_compress__the_keep_map_is_that_of_the_teacher(config, made):
    """An untuned network with the kept filters of the teacher is what the first round pruned."""
    teacher, state = load_network(Path(config.teacher)), load_checkpoint(made / 'student.pt')
    pruned = load_network(made / 'round_1' / 'pruned.pt')
    first = load_checkpoint(made / 'round_1' / 'pruned.pt')['kept']
    student = load_network(made / 'student.pt')
    names = [name for name, m in student.named_modules() if isinstance(m, torch.nn.Conv2d)]
    assert sorted(state['kept']) == sorted(first) == sorted(names)
    for name in names:
        kept = state['kept'][name]
        assert len(kept) == student.get_submodule(name).out_channels
        assert set(kept.tolist()) <= set(first[name].tolist())
        wide = teacher.get_submodule(name).weight
        inputs = pruned.get_submodule(name).weight.shape[1]
        if inputs == wide.shape[1]:
            assert torch.equal(pruned.get_submodule(name).weight, wide[first[name]])
    assert any(len(state['kept'][name]) < len(first[name]) for name in names)


def test_compress__a_student_can_be_compressed_again(config, made, tmp_path):
    again = replace(config, teacher=str(made / 'student.pt'), keep=0.9, rounds=1, last_epochs=1)
    assert compress(again, tmp_path) == tmp_path / 'student.onnx'


def test_compress__silu_fades_into_relu(config, training, tmp_path):
    network = replace(training.network, activation='silu')
    teacher = train(replace(training, network=network), tmp_path / 'teacher')
    fading = replace(config, teacher=str(teacher), activation='relu', last_epochs=3, rounds=2)
    out = compress(fading, tmp_path / 'out').parent
    activations = {
        name: load_network(out / name).config.activation
        for name in ('round_1/pruned.pt', 'round_1/tuning/weights.pt', 'student.pt')
    }
    assert list(activations.values()) == ['silu', 'relu', 'relu']
    settings = [
        yaml.safe_load((out / f'round_{n}/tuning/config.yaml').read_text()) for n in (1, 2)
    ]
    assert [s['fade_share'] for s in settings] == [0.3, 0.0]
    operators = {node.op_type for node in onnx.load(out / 'student.onnx').graph.node}
    assert 'Relu' in operators


def test_compress__an_activation_that_cannot_fade(config, training, tmp_path):
    network = replace(training.network, activation='hardswish')
    teacher = train(replace(training, network=network), tmp_path / 'teacher')
    with pytest.raises(
        ConfigError, match=r"'relu', which SiLU can fade into; '.*' has 'hardswish"
    ):
        compress(replace(config, teacher=str(teacher), activation='relu'), tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_compress__what_is_done_is_not_done_again(config, made, tmp_path):
    before = {p: p.stat().st_mtime_ns for p in made.rglob('round_*/*.pt')}
    assert compress(config, made) == made / 'student.onnx'
    assert {p: p.stat().st_mtime_ns for p in made.rglob('round_*/*.pt')} == before
    with pytest.raises(ConfigError, match=r'begun with.*config\.yaml'):
        compress(replace(config, keep=0.6), made)
    other = tmp_path / 'other.pt'
    other.write_bytes((made / 'student.pt').read_bytes())
    with pytest.raises(ConfigError, match='another teacher'):
        compress(replace(config, teacher=str(other)), made)


def test_compress__a_budget_that_cannot_be_reached(config, tmp_path):
    with pytest.raises(BudgetError, match='cannot be reached'):
        compress(replace(config, keep=0.01, rounds=4), tmp_path)
    assert not list(tmp_path.iterdir()), 'it is known before anything is written'
    # Nothing was made, so the same folder takes other settings.
    assert compress(replace(config, rounds=1), tmp_path, stop=Stop(minutes=0)) is None


def test_compress__a_gate_that_cannot_be_passed(config, tmp_path):
    tuning = replace(config.training, learning_rate=1.0, distillation=None)
    strict = replace(config, training=tuning, rounds=1, last_epochs=1, allowed_fall=0.0, keep=0.9)
    for _ in range(2):  # nor by calling again
        with pytest.raises(GateError, match=rf'round 1 was taken back {ATTEMPTS} times'):
            compress(strict, tmp_path)
    attempts = sorted(tmp_path.glob('round_1_taken_back_*'))
    assert len(attempts) == ATTEMPTS
    spared = [json.loads((a / 'taken_back.json').read_text())['spared'] for a in attempts]
    pruned = json.loads((attempts[1] / 'pruning.json').read_text())
    assert pruned['spared'] == sorted(spared[0]) != []
    for group in spared[0]:
        first = json.loads((attempts[0] / 'pruning.json').read_text())['widths'][group]
        assert pruned['widths'][group] > first
    assert not (tmp_path / 'student.pt').exists()


def test_compress__a_gate_that_leaves_too_little_to_prune(config, tmp_path):
    tuning = replace(config.training, learning_rate=1.0, distillation=None)
    strict = replace(config, training=tuning, rounds=1, last_epochs=1, allowed_fall=0.0)
    with pytest.raises(GateError, match=r'round 1 cannot spare .*, .*: a cost of .* cannot be'):
        compress(strict, tmp_path)


def test_compress__a_gate_without_an_image_for_a_task(config, tmp_path):
    partly = tmp_path / 'partly'
    shutil.copytree(config.training.data, partly)
    for name in config.training.holdout_groups:
        path = partly / 'll_seg_annotations' / 'train' / f'{name}.png'
        cv2.imwrite(str(path), np.full((96, 160), IGNORE, np.uint8))
    training = replace(config.training, data=str(partly))
    with pytest.raises(GateError, match=r"labels \['lane'\]"):
        compress(replace(config, training=training), tmp_path / 'run')


def test_compress__a_calibration_without_an_image_for_a_task(config, tmp_path):
    partly = tmp_path / 'partly'
    shutil.copytree(config.training.data, partly)
    for path in (partly / 'll_seg_annotations' / 'train').iterdir():
        cv2.imwrite(str(path), np.full((96, 160), IGNORE, np.uint8))
    training = replace(config.training, data=str(partly), cache=str(tmp_path / 'cache'))
    loose = replace(config, training=training, allowed_fall=None)
    with pytest.raises(DatasetError, match=r"no image that calibrates labels \['lane'\]"):
        compress(loose, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_compress__no_folder_of_unlabelled_images(config, tmp_path):
    nowhere = Distillation(unlabelled=str(tmp_path / 'nowhere'))
    training = replace(config.training, distillation=nowhere)
    with pytest.raises(DatasetError, match='nowhere'):
        compress(replace(config, training=training), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_compress__a_teacher_of_other_labels(config, tmp_path):
    training = replace(config.training, label_set='vehicle')
    with pytest.raises(TeacherError, match=r"labels \['vehicle', .*, expected \['vehicle'\]"):
        compress(replace(config, training=training), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_compress__a_hold_out_that_the_teacher_has_learned_from(config, tmp_path):
    training = replace(config.training, holdout_groups=('road_5', 'road_6'))
    with pytest.raises(ConfigError, match=r"\['road_5'\]: .* has learned from them"):
        compress(replace(config, training=training), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def time_by_size(layers, *, engine, threads):
    """Return what `measure` would of a machine that only moves data.

    The real times of so small a network are those of calls, and noise: test_latency measures.
    """
    assert (engine, threads) == ('openvino', 1)
    return {
        key: 1e-6 * sum(math.prod(shape) for shape in layer.inputs)
        for key, layer in layers.items()
    }


def test_compress__to_a_latency_with_costs_of_channels(config, tmp_path, monkeypatch):
    monkeypatch.setattr('model_tools.compression.latency.measure', time_by_size)
    fine = replace(config, floor=2, floor_share=0.0, multiple=2, cost_power=0.3)
    quick = replace(fine, budget='latency', engine='openvino', keep=0.8, rounds=1, last_epochs=1)
    student = tmp_path / 'student.onnx'
    assert compress(quick, tmp_path) == student
    record = json.loads((tmp_path / 'compression.json').read_text())
    assert record['rounds'][0]['tuned']['latency'] <= 0.8 * record['teacher']['latency']
    # A table that was measured anew is no budget for what was begun with another.
    latencies = tmp_path / 'latencies.json'
    elsewhere = tmp_path / 'elsewhere.json'
    elsewhere.write_text(latencies.read_text())
    table = json.loads(latencies.read_text())
    slower = {layer: 2 * ms for layer, ms in table['ms'].items()}
    latencies.write_text(json.dumps({**table, 'ms': slower}))
    with pytest.raises(ConfigError, match='measured anew'):
        compress(quick, tmp_path)
    assert compress(replace(quick, latencies=str(elsewhere)), tmp_path) == student


def test_compress__an_engine_that_is_not_installed(config, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    with pytest.raises(LatencyError, match='not installed: pip install openvino'):
        compress(replace(config, engine='openvino'), tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_compress__a_gate_without_anything_held_out(config, tmp_path):
    nothing = replace(config, training=replace(config.training, holdout_groups=()))
    with pytest.raises(GateError, match='holdout_groups'):
        compress(nothing, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_compress__no_val(config, tmp_path):
    learned = tmp_path / 'learned'
    shutil.copytree(config.training.data, learned, ignore=shutil.ignore_patterns('val'))
    training = replace(config.training, data=str(learned))
    with pytest.raises(DatasetError, match="split 'val' has no images"):
        compress(replace(config, training=training), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()
