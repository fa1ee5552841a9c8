# SPDX-License-Identifier: Apache-2.0
"""A pruned network needs nothing of what has pruned it."""

import json
import subprocess
import sys

import pytest
import torch
import yaml

from model_tools.compression.groups import find_groups
from model_tools.compression.surgery import kept_channels, protected_modules, remove_channels
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.training.checkpoint import load_checkpoint, load_network, save_weights
from model_tools.training.config import TrainingConfig
from panoptic_perception.engines import read_model

SCRIPT = """
import json, sys
sys.modules['torch_pruning'] = None
from model_tools.cli import main
for arguments in json.loads(sys.argv[1]):
    assert main(arguments) == 0, arguments
"""


@pytest.fixture
def pruned(small_network, road_folder, tmp_path):
    """Write a network with half of its channels, and settings to train it; return both paths."""
    torch.manual_seed(0)
    net = PanopticNet(small_network)
    example = torch.zeros(1, 3, 64, 64)
    groups = find_groups(net, example, protected=protected_modules(net))
    keep = {group.name: torch.arange(group.size // 2) for group in groups}
    half = remove_channels(net, groups, keep, example)
    weights, settings = tmp_path / 'pruned.pt', tmp_path / 'train.yaml'
    config = TrainingConfig(
        data=str(road_folder),
        start=str(weights),
        input_wh=(160, 96),
        canvas_wh=(160, 96),
        epochs=1,
        batch_size=4,
        warmup_steps=0,
        learning_rate=0.01,
        holdout_groups=('road_7',),
        look_every=0,
        network=half.config,
    )
    state = {
        'network': half.config.to_dict(),
        'training': config.to_dict(),
        'averaged': half.state_dict(),
        'kept': kept_channels(net, groups, keep),
        'epoch': 1,
        'step': 2,
    }
    save_weights(weights, state, {})
    settings.write_text(yaml.safe_dump(config.to_dict()))
    return weights, settings


def test_pruned__trains_exports_and_evaluates(pruned, road_folder, tmp_path):
    weights, settings = pruned
    run, file = tmp_path / 'run', tmp_path / 'net.onnx'
    tuned = run / 'weights.pt'
    data = ['--data', str(road_folder)]
    commands = [
        ['train', '--config', str(settings), '--out', str(run), *data],
        ['export', '--checkpoint', str(tuned), '--out', str(file), *data],
        ['evaluate', '--model', str(weights), *data],
    ]
    called = subprocess.run(
        [sys.executable, '-c', SCRIPT, json.dumps(commands)],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert called.returncode == 0, called.stderr
    before, after = load_checkpoint(weights), load_checkpoint(tuned)
    assert load_network(tuned).backbone.stem[0].out_channels == 4
    assert after['kept'].keys() == before['kept'].keys()
    assert all(torch.equal(after['kept'][name], kept) for name, kept in before['kept'].items())
    assert not torch.equal(
        after['averaged']['lane.logit.weight'], before['averaged']['lane.logit.weight']
    )
    assert read_model(file).provenance['network']['channels']['backbone.stem.0'] == [3, 4]
