# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch.nn import functional as F

from model_tools.networks.blocks import ConvBlock
from model_tools.networks.config import NetworkConfig
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.networks.warm_start import (
    WarmStartError,
    _focus_to_strided,
    _in_export_order,
    seed_batchnorm,
    warm_start,
)

LEVELS = range(3)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return PanopticNet(NetworkConfig.from_dict({'size': 'n', 'activation': 'silu'}))


@pytest.fixture
def export(net, tmp_path):
    """Write random weights in the shapes and the order of a YOLOX-nano export."""
    rng = np.random.default_rng(0)
    tensors = []
    for i, (name, block) in enumerate(_in_export_order(net)):
        shape = (16, 12, 3, 3) if name == 'backbone.stem' else tuple(block[0].weight.shape)
        fan_in = np.prod(shape[1:])
        weight = rng.normal(0, fan_in**-0.5, shape)
        tensors.append((f'onnx::Conv_{2 * i}', weight))
        tensors.append((f'onnx::Conv_{2 * i + 1}', rng.normal(0, 0.1, shape[0])))
    for level in LEVELS:
        tensors.append((f'head.cls_preds.{level}.weight', rng.normal(0, 1, (80, 64, 1, 1))))
    graph = onnx.helper.make_graph(
        [], 'g', [], [], [numpy_helper.from_array(v.astype(np.float32), k) for k, v in tensors]
    )
    path = tmp_path / 'yolox.onnx'
    onnx.save(onnx.helper.make_model(graph), path)
    return path


def test_warm_start__folded_convolution_is_kept(net, export):
    names = warm_start(net, export)
    tensors = {t.name: numpy_helper.to_array(t) for t in onnx.load(export).graph.initializer}
    block = net.eval().get_submodule(names[1])
    x = torch.rand(1, block[0].in_channels, 8, 8)
    weight, bias = (torch.from_numpy(tensors[f'onnx::Conv_{i}'].copy()) for i in (2, 3))
    groups = block[0].groups
    expected = F.silu(F.conv2d(x, weight, bias, block[0].stride, 1, groups=groups))
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)


def test_warm_start__with_another_activation(net, export):
    other = PanopticNet(replace(net.config, activation='relu'))
    before = other.backbone.stem[0].weight.clone()
    with pytest.raises(WarmStartError, match=r"trained with silu, network.activation is 'relu'"):
        warm_start(other, export)
    assert torch.equal(other.backbone.stem[0].weight, before)


def test_warm_start__class_rows_are_means_of_coco_classes(net, export):
    warm_start(net, export)
    tensors = {t.name: numpy_helper.to_array(t) for t in onnx.load(export).graph.initializer}
    weight = tensors['head.cls_preds.1.weight']
    rows = net.detection.class_logits[1].weight.detach().numpy()
    np.testing.assert_allclose(rows[0], weight[[2, 5, 7]].mean(0), rtol=1e-6)
    np.testing.assert_allclose(rows[1], weight[0], rtol=1e-6)


def test_seed_batchnorm__keeps_the_function_and_makes_training_mode_agree(net, export):
    names = warm_start(net, export)
    images = torch.rand(4, 3, 64, 96) * 255
    with torch.no_grad():
        before = net.eval().backbone(images)
        seed_batchnorm(net, images, names)
        after = net.eval().backbone(images)
        training = net.train().backbone(images)
    for a, b, c in zip(before, after, training, strict=True):
        torch.testing.assert_close(b, a, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(c, a, atol=2e-2, rtol=2e-2)
    assert not any(m._forward_hooks for m in net.modules() if isinstance(m, ConvBlock))


def test_focus_to_strided__equals_focus_then_convolution():
    weight = np.random.default_rng(0).normal(size=(5, 12, 3, 3)).astype(np.float32)
    x = torch.rand(1, 3, 12, 16)
    patches = [x[..., dy::2, dx::2] for dx in (0, 1) for dy in (0, 1)]
    expected = F.conv2d(torch.cat(patches, 1), torch.from_numpy(weight), padding=1)
    kernel = torch.from_numpy(_focus_to_strided(weight).copy())
    torch.testing.assert_close(F.conv2d(x, kernel, stride=2, padding=2), expected)


@pytest.mark.parametrize('activation', ['silu', 'relu'])
def test_warm_start__another_file_is_refused_whatever_the_network(net, tmp_path, activation):
    path = tmp_path / 'other.onnx'
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], 'g', [], [])), path)
    net = PanopticNet(replace(net.config, activation=activation))
    with pytest.raises(WarmStartError, match=r'of YOLOX-nano, found one without .*cls_preds\.0'):
        warm_start(net, path)


def test_warm_start__network_of_other_depths(net, export):
    deeper = PanopticNet(replace(net.config, encoder_depth=2))
    with pytest.raises(WarmStartError, match=r'wants .* folded convolutions.* network\.size=n'):
        warm_start(deeper, export)


def test_warm_start__no_onnx_file_is_refused(net, tmp_path):
    path = tmp_path / 'other.onnx'
    path.write_text('data: roads')
    with pytest.raises(WarmStartError, match=r"other\.onnx': expected an ONNX file of YOLOX-nano"):
        warm_start(net, path)
