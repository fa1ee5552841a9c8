# SPDX-License-Identifier: Apache-2.0
"""Write the graph of a model file in 8 bits, but for what must stay in float."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import onnx

from model_tools.compression.quantization.pixels import scaled_pixels
from panoptic_perception.engines.quiet_openvino import import_openvino

NETWORK = 'net.'
"""What the names of weights begin with in files of `model_tools export`."""
MASKS = ('drivable', 'lane')
LAST = ('class_logits', 'box_distances', 'logit')
"""Layers without an activation: what they say is the answer."""


class QuantizationError(ValueError):
    """A model file cannot be quantised."""


def network_parts(model: onnx.ModelProto) -> dict[str, list[str]]:
    """Return the nodes of each part of the network by name, but for the last layers.

    A part is a stage of the backbone, a block of the encoder, one kind of layer of the detection
    head, or the head of a mask: its convolutions, and all that follows up to the next ones.

    Raises:
        QuantizationError: The file was not made by `model_tools export`, or is quantised.

    """
    last = set(_after(model))
    parts: dict[str, list[str]] = {}
    owners: dict[str, str] = {}
    """By tensor: the part that made it."""
    for node in model.graph.node:  # in topological order
        owner = next((owners[name] for name in reversed(node.input) if name in owners), '')
        if _is_convolution(node):
            kind, block = node.input[1].split('.')[1:3]
            owner = kind if kind in MASKS else f'{kind}.{block}'
        if owner and node.name not in last:
            parts.setdefault(owner, []).append(node.name)
            owners.update(dict.fromkeys(node.output, owner))
    if not parts:
        raise QuantizationError(
            'expected a file of `model_tools export` in float32, found no convolution with its '
            'names'
        )
    return parts


def quantize_graph(
    model: onnx.ModelProto, images: Sequence[np.ndarray], *, in_float: Collection[str] = ()
) -> onnx.ModelProto:
    """
    Return a graph that computes the network in 8 bits, by quantise and dequantise operators.

    The last layers of the heads and all that follows them stay in float32: boxes and scores are
    of other ranges, and masks are enlarged from logits.

    Args:
        model: Of a model file; left as it is.
        images: (H, W, 3) uint8, of the size that the network takes.
        in_float: Further parts, of `network_parts`, that stay in float32.

    """
    nncf = _nncf()
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    model = _named(model)
    parts = network_parts(model)
    spared = [*_after(model), *(name for part in in_float for name in parts[part])]
    try:
        with contextlib.redirect_stdout(sys.stderr):  # its bars of progress
            quantized = nncf.quantize(
                model,
                nncf.Dataset(list(images), lambda image: {'image': image[None]}),
                # Symmetric ranges: engines are fastest with them, and ReLU leaves nothing below 0.
                preset=nncf.QuantizationPreset.PERFORMANCE,
                # The greatest number of all images, not the mean of theirs, which would clip.
                advanced_parameters=nncf.AdvancedQuantizationParameters(
                    activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
                ),
                ignored_scope=nncf.IgnoredScope(names=spared, validate=False),
                subset_size=len(images),
            )
    except Exception as error:  # of many kinds
        raise QuantizationError(f'NNCF cannot quantise the network: {error}') from error
    quantized = scaled_pixels(quantized)
    onnx.helper.set_model_props(quantized, {e.key: e.value for e in model.metadata_props})
    return quantized


def _nncf() -> Any:
    import_openvino()  # keeps the library from reporting to its maker
    import nncf

    nncf.set_log_level(logging.ERROR)
    return nncf


def _named(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy in which each node has a name."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for i, node in enumerate(copy.graph.node):
        node.name = node.name or f'unnamed_{i}'
    return copy


def _is_convolution(node: onnx.NodeProto) -> bool:
    return node.op_type == 'Conv' and node.input[1].startswith(NETWORK)


def _after(model: onnx.ModelProto) -> list[str]:
    """Return the names of the last layers and of all nodes that depend on them."""
    names: list[str] = []
    tensors: set[str] = set()
    for node in model.graph.node:  # in topological order
        last = _is_convolution(node) and node.input[1].split('.')[2] in LAST
        if last or tensors & set(node.input):
            names.append(node.name)
            tensors.update(node.output)
    return names
