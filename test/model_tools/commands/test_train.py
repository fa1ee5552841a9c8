# SPDX-License-Identifier: Apache-2.0
"""`model_tools train` as it is started: in a process of its own, or in several."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml

from model_tools.cli import main
from model_tools.training.checkpoint import load_checkpoint

COMMAND = (sys.executable, '-m', 'model_tools.cli', 'train')


@pytest.fixture
def arguments(tmp_path, small_network, road_folder):
    """Return those of a run of 2 epochs of 2 steps."""
    settings = {
        'data': str(road_folder),
        'input_wh': [160, 96],
        'canvas_wh': [160, 96],
        'epochs': 2,
        'batch_size': 4,
        'look_every': 0,
        'network': small_network.to_dict(),
    }
    path = tmp_path / 'train.yaml'
    path.write_text(yaml.safe_dump(settings))
    return ['--config', str(path), '--out', str(tmp_path / 'run')]


def records(run):
    return [json.loads(line) for line in (run / 'metrics.jsonl').read_text().splitlines()]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--set', 'epoch=3'], "unknown keys ['epoch']"),
        (['--set', 'network.width=3'], "unknown keys ['width']"),
        (['--set', 'augmentation.mosaik=0'], "unknown keys ['mosaik']"),
        (['--set', 'epochs=[3'], "epochs: expected a YAML value, found '[3'"),
        (['--set', 'epochs=3.5'], 'epochs is 3.5, expected a whole number'),
        (['--set', 'start=nowhere.pt'], "'nowhere.pt': no such checkpoint"),
        (['--data', 'nowhere'], "'nowhere': expected a folder or a .tar file"),
        (['--set', 'cache=/dev/null/x'], "'/dev/null/x': the cache of"),
        (['--minutes', 'nan'], '--minutes nan: expected a number of at least 0'),
        (['--stop-after', '0'], '--stop-after 0: expected an epoch of at least 1'),
        (['--devices', '0'], '--devices 0'),
        (['--devices', '3'], 'batch_size is 4, expected a multiple of the 3 processes'),
        (['--nodes', '-1'], '--nodes -1'),
        (['--nodes', '2'], '--nodes 2: expected the environment of torchrun or SLURM'),
    ],
)
def test_train__bad_input_is_one_sentence(arguments, tmp_path, capsys, options, message):
    assert main(['train', *arguments, *options]) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith('model_tools:')]
    assert message in line
    assert not (tmp_path / 'run' / 'config.yaml').exists()


def test_train__no_minutes_at_all(arguments, tmp_path, capsys):
    assert main(['train', *arguments, '--minutes', '0']) == 0
    assert 'stopped after step 0 of 4' in capsys.readouterr().err
    assert not (tmp_path / 'run' / 'last.pt').exists()


def test_train__set_changes_the_run(arguments, tmp_path):
    sets = ['epochs=1', 'repeats.toy=2', 'network.encoder_depth=2', 'learning_rate=1e-4']
    assert main(['train', *arguments, *[x for s in sets for x in ('--set', s)]]) == 0
    state = load_checkpoint(tmp_path / 'run' / 'last.pt')
    assert (state['step'], state['network']['encoder_depth']) == (4, 2)
    written = yaml.safe_load((tmp_path / 'run' / 'config.yaml').read_text())
    assert written['learning_rate'] == 1e-4
    assert written['network'] == state['network']


def test_train__two_processes_make_one_run(arguments, tmp_path):
    command = [*COMMAND, *arguments, '--devices', '2']
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / 'run' / 'last.pt')]
    assert [r['step'] for r in records(tmp_path / 'run')] == [2, 4]
    weights = load_checkpoint(tmp_path / 'run' / 'weights.pt')
    assert weights['provenance']['processes'] == 2


MANY_STEPS = ('--set', 'epochs=1', '--set', 'repeats.toy=2000')


@pytest.mark.parametrize(('number', 'processes'), [(signal.SIGTERM, '1'), (signal.SIGINT, '2')])
def test_train__a_signal_saves_in_mid_epoch(arguments, tmp_path, number, processes):
    process = subprocess.Popen(
        [*COMMAND, *arguments, *MANY_STEPS, '--devices', processes],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    shown = ''
    while ' 0/4000 ' not in shown and process.poll() is None:
        shown += process.stderr.read(1)
    time.sleep(2)  # some steps
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    _check_stopped(tmp_path, errors)


def _check_stopped(tmp_path, errors):
    step = load_checkpoint(tmp_path / 'run' / 'last.pt')['step']
    assert f'stopped after step {step} of 4000: the same command goes on' in errors
    assert 0 < step < 4000
