# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from model_tools.networks.config import NetworkConfig
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.networks.refit import RefitError
from model_tools.networks.warm_start import _in_export_order
from model_tools.training.checkpoint import load_checkpoint, load_network
from model_tools.training.trainer import train


@pytest.fixture
def yolox(tmp_path):
    """Write random weights in the shapes and the order of a YOLOX-nano export."""
    rng = np.random.default_rng(0)
    tensors = {}
    net = PanopticNet(NetworkConfig.from_dict({'size': 'n'}))
    for i, (name, block) in enumerate(_in_export_order(net)):
        shape = (16, 12, 3, 3) if name == 'backbone.stem' else tuple(block[0].weight.shape)
        tensors[f'onnx::Conv_{2 * i}'] = rng.normal(0, np.prod(shape[1:]) ** -0.5, shape)
        tensors[f'onnx::Conv_{2 * i + 1}'] = rng.normal(0, 0.1, shape[0])
    for level in range(3):
        tensors[f'head.cls_preds.{level}.weight'] = rng.normal(0, 1, (80, 64, 1, 1))
    initializers = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in tensors.items()]
    path = tmp_path / 'yolox.onnx'
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], 'g', [], [], initializers)), path)
    return path


def test_begin__public_weights_are_kept_measured_and_trained_slowly(config, yolox, tmp_path):
    network = NetworkConfig.from_dict({'size': 'n', 'activation': 'silu'})
    config = replace(config, epochs=2, network=network, warm_start=str(yolox), warm_start_rate=0.0)
    state = load_checkpoint(train(config, tmp_path / 'run', stop_after=1))
    assert 'encoder.lateral5' in state['warm_started']
    (given,) = (
        numpy_helper.to_array(t)
        for t in onnx.load(yolox).graph.initializer
        if t.name == 'onnx::Conv_2'
    )
    name = 'backbone.stage2.0.0.0.weight'
    kept = state['weights'][name]
    torch.testing.assert_close(kept, torch.from_numpy(given.copy()), rtol=0, atol=1e-6)
    assert (state['weights']['backbone.stem.1.running_var'] != 1).all()
    again = load_checkpoint(train(config, tmp_path / 'run'))
    assert torch.equal(again['weights'][name], kept)
    assert again['warm_started'] == state['warm_started']


def test_begin__a_dense_network_answers_as_the_separable_one_it_is_fitted_to(config, tmp_path):
    separable = replace(config.network, convolution='separable', activation='silu')
    donor = train(replace(config, epochs=1, network=separable), tmp_path / 'donor')
    dense = replace(config.network, convolution='dense', activation='relu')
    config = replace(config, epochs=1, network=dense, refit=str(donor), learning_rate=1e-9)
    net, wanted = load_network(train(config, tmp_path / 'run')), load_network(donor)
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0)) * 255
    with torch.no_grad():
        found, expected = net(image).detection.logits, wanted(image).detection.logits
    assert torch.corrcoef(torch.stack((found.flatten(), expected.flatten())))[0, 1] > 0.8


def test_begin__a_network_of_other_widths_is_not_fitted(config, tmp_path):
    donor = train(replace(config, epochs=1), tmp_path / 'donor')
    wider = replace(config.network, segmentation_width=2 * config.network.segmentation_width)
    with pytest.raises(RefitError, match='same labels, widths and depths'):
        train(replace(config, network=wider, refit=str(donor)), tmp_path / 'run')
    assert not (tmp_path / 'run' / 'last.pt').exists()
