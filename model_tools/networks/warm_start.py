# SPDX-License-Identifier: Apache-2.0
"""Start from the public YOLOX-nano weights (Apache-2.0): most of our shapes are theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import nn

from model_tools.networks.blocks import ConvBlock
from model_tools.networks.panoptic_net import PanopticNet

ACTIVATION = 'silu'
COCO_CLASSES = {'vehicle': (2, 5, 7), 'person': (0,), 'cycle': (1, 3)}
_CLASS_LOGITS = {f'head.cls_preds.{level}.weight' for level in range(3)}


class WarmStartError(ValueError):
    """The file is not a YOLOX-nano export, or the network has other shapes."""


def warm_start(net: PanopticNet, path: Path) -> list[str]:
    """Copy YOLOX-nano weights into `net` and return the names of the modules that received some.

    The export has its BatchNorms folded, so each convolution brings a bias; it becomes the
    shift of our BatchNorm. Call `seed_batchnorm` afterwards: until then the BatchNorms are
    identities in evaluation mode only.
    """
    try:
        graph = onnx.load(path).graph
    except DecodeError as error:
        raise WarmStartError(f"'{path}': expected an ONNX file of YOLOX-nano: {error}") from error
    tensors = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    folded = [v for k, v in tensors.items() if k.startswith('onnx::Conv_')]
    # Before the network is looked at: another file is wrong for any.
    if missing := sorted(_CLASS_LOGITS - tensors.keys()):
        raise WarmStartError(
            f"'{path}': expected an ONNX file of YOLOX-nano, found one without {missing}"
        )
    if net.config.activation != ACTIVATION:
        raise WarmStartError(
            f"'{path}': was trained with {ACTIVATION}, network.activation is "
            f"'{net.config.activation}': set it to {ACTIVATION}"
        )
    blocks = _in_export_order(net)
    if len(folded) != 2 * len(blocks):
        raise WarmStartError(
            f"'{path}': the network wants weights and biases of {len(blocks)} folded "
            f'convolutions, found {len(folded)} tensors: take those of YOLOX-nano, and '
            'network.size=n'
        )
    pairs = list(zip(folded[::2], folded[1::2], strict=True))
    with torch.no_grad():
        for (name, block), (weight, bias) in zip(blocks, pairs, strict=True):
            if name == 'backbone.stem':
                weight = _focus_to_strided(weight)
            _copy_block(name, block, weight, bias)
        for level, logits in enumerate(net.detection.class_logits):
            _copy_class_logits(net, logits, tensors, level)
    return [name for name, _ in blocks] + ['detection.class_logits']


@torch.no_grad()
def seed_batchnorm(net: PanopticNet, images: torch.Tensor, names: list[str]) -> None:
    """Give warm-started BatchNorms the statistics of real images without changing the function.

    The folded weights behave as they did in the export when mean, deviation, scale and shift
    cancel; measuring mean and deviation on `images` (N, 3, H, W) makes training mode agree too.
    Layers are measured in execution order, each on inputs that are already right.
    """
    net.eval()
    started = set(names)
    for name, block in net.named_modules():
        if isinstance(block, ConvBlock) and name in started:
            block.register_forward_hook(_measure_once)
    net(images)


def _measure_once(block: nn.Module, inputs: tuple, _: torch.Tensor) -> torch.Tensor:
    conv, norm, activation = block[0], block[1], block[2]
    raw = conv(inputs[0])
    variance, mean = torch.var_mean(raw, (0, 2, 3), correction=0)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.add_(mean)
    block._forward_hooks.clear()
    return activation(norm(raw))


def _in_export_order(net: PanopticNet) -> list[tuple[str, ConvBlock]]:
    """List the warm-startable blocks in the order in which YOLOX executes (and exports) them."""
    backbone, encoder, head = net.backbone, net.encoder, net.detection
    modules: list[nn.Module] = [backbone.stem]
    for stage in (backbone.stage2, backbone.stage3, backbone.stage4, backbone.stage5):
        modules += list(stage)
    modules += [encoder.lateral5, encoder.down4, encoder.lateral4, encoder.down3]
    modules += [encoder.stride3, encoder.up4, encoder.stride4, encoder.up5]
    for level in range(3):
        modules += [
            head.stems[level],
            head.class_branches[level],
            head.box_branches[level],
        ]
    names = {module: name for name, module in net.named_modules()}
    return [(names[b], b) for module in modules for b in _blocks(module)]


def _blocks(module: nn.Module) -> list[ConvBlock]:
    if isinstance(module, ConvBlock):
        return [module]
    children = dict(module.named_children())
    if 'bypass' in children:  # YOLOX runs both 1x1 branches before the bottlenecks
        children = {k: children[k] for k in ('deep', 'bypass', 'blocks', 'merge')}
    return [b for child in children.values() for b in _blocks(child)]


def _copy_block(name: str, block: ConvBlock, weight: np.ndarray, bias: np.ndarray) -> None:
    conv, norm = block[0], block[1]
    if tuple(conv.weight.shape) != weight.shape:
        raise WarmStartError(
            f'{name}: the network wants {tuple(conv.weight.shape)}, YOLOX-nano has {weight.shape}'
        )
    conv.weight.copy_(torch.from_numpy(weight.copy()))
    norm.weight.fill_((1 + norm.eps) ** 0.5)
    norm.bias.copy_(torch.from_numpy(bias.copy()))


def _focus_to_strided(weight: np.ndarray) -> np.ndarray:
    """Turn the Focus stem's (O, 12, 3, 3) into the equal 6x6 stride 2 kernel (O, 3, 6, 6)."""
    outputs = weight.shape[0]
    patches = weight.reshape(outputs, 2, 2, 3, 3, 3)  # o, column offset, row offset, c, ky, kx
    return patches.transpose(0, 3, 4, 2, 5, 1).reshape(outputs, 3, 6, 6)


def _copy_class_logits(
    net: PanopticNet, logits: nn.Conv2d, tensors: dict[str, np.ndarray], level: int
) -> None:
    weight = tensors[f'head.cls_preds.{level}.weight']
    for row, label in enumerate(net.config.labels):
        classes = COCO_CLASSES.get(label)
        if classes is not None:
            logits.weight[row].copy_(torch.from_numpy(weight[list(classes)].mean(0)))
