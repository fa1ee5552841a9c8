# SPDX-License-Identifier: Apache-2.0
"""Give the channels of a tensor like ranges before they share one range of 8 bits.

Behind a convolution with ReLU a channel may be scaled by any positive number if the convolutions
that read it undo it: the network answers as before (Nagel et al., ICCV 2019, arXiv 1906.04721).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

Weights = Mapping[str, onnx.TensorProto]
LEAST = 0.01
"""Of the greatest range; a smaller channel is treated as if it had this, for it may be larger on
other images."""


class Link(NamedTuple):
    """A convolution with ReLU, and the convolutions that are all that reads it."""

    source: onnx.NodeProto
    tensor: str
    readers: list[onnx.NodeProto]


def equalized(model: onnx.ModelProto, images: Sequence[np.ndarray]) -> onnx.ModelProto:
    """
    Return a model with the same answers, in which channels of a tensor have like ranges.

    Depthwise readers take any scale, as each of their filters has a range of its own; there all
    channels get the range of the largest. Of a range that others read, half of the difference in
    the order of magnitude goes into their weights (arXiv 2211.10438, equation 4).

    Args:
        model: Of a model file in float32; left as it is.
        images: (H, W, 3) uint8, of the size that the network takes, to measure ranges on.

    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    links = find_links(copy)
    if not links:  # such as with SiLU, which takes no scale
        return copy
    ranges = _ranges(copy, [link.tensor for link in links], images)
    weights = {t.name: t for t in copy.graph.initializer}
    for link in links:
        scale = _scale(ranges[link.tensor], link.readers, weights)
        for name in link.source.input[1:]:
            _multiply(weights[name], 1 / scale, axis=0)
        for node in link.readers:
            weight = weights[node.input[1]]
            _multiply(weight, scale, axis=0 if _is_depthwise(node, weight) else 1)
    return copy


def find_links(model: onnx.ModelProto) -> list[Link]:
    """Return the places of a graph where channels can be scaled, in topological order."""
    graph = model.graph
    uses = Counter(name for node in graph.node for name in node.input)
    own = {t.name: t for t in graph.initializer if uses[t.name] == 1}
    outputs = {output.name for output in graph.output}
    made_by = {name: node for node in graph.node for name in node.output}
    read_by: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            read_by.setdefault(name, []).append(node)
    links = []
    for relu in (node for node in graph.node if node.op_type == 'Relu'):
        signed, tensor = relu.input[0], relu.output[0]
        source, readers = made_by.get(signed), read_by.get(tensor, [])
        if source is None or not readers or len(read_by[signed]) > 1 or outputs & {signed, tensor}:
            continue
        if _is_convolution(source, own) and all(_undoes_scale(node, own) for node in readers):
            links.append(Link(source, tensor, readers))
    return links


def _is_convolution(node: onnx.NodeProto, weights: Weights) -> bool:
    """Return whether a node is a convolution whose weights are its own."""
    return node.op_type == 'Conv' and set(node.input[1:]) <= set(weights)


def _undoes_scale(node: onnx.NodeProto, weights: Weights) -> bool:
    """Return whether a node is a convolution that reads all channels alike, or each alone."""
    return _is_convolution(node, weights) and (
        _groups(node) == 1 or _is_depthwise(node, weights[node.input[1]])
    )


def _is_depthwise(node: onnx.NodeProto, weight: onnx.TensorProto) -> bool:
    return _groups(node) == weight.dims[0] > 1 and weight.dims[1] == 1


def _groups(node: onnx.NodeProto) -> int:
    return next((a.i for a in node.attribute if a.name == 'group'), 1)


def _ranges(
    model: onnx.ModelProto, tensors: Sequence[str], images: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the greatest number in each channel of tensors (N, C, H, W) over all images."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors)
    session = ort.InferenceSession(watched.SerializeToString(), providers=['CPUExecutionProvider'])
    ranges = {name: np.zeros(1, np.float32) for name in tensors}
    for image in images:
        found = session.run(list(tensors), {'image': image[None]})
        for name, values in zip(tensors, found, strict=True):
            ranges[name] = np.maximum(ranges[name], values.max((0, 2, 3)))
    return ranges


def _scale(ranges: np.ndarray, readers: Sequence[onnx.NodeProto], weights: Weights) -> np.ndarray:
    """Return what to divide channels (C,) by: at most 1, and 1 for the greatest."""
    size = np.maximum(ranges, LEAST * ranges.max())
    if not size.max() > 0:
        return np.ones_like(size)
    read_with = [(node, weights[node.input[1]]) for node in readers]
    dense = [_heed(weight) for node, weight in read_with if not _is_depthwise(node, weight)]
    if dense:
        size = np.sqrt(size / np.max(dense, 0))
    return size / size.max()


def _heed(weight: onnx.TensorProto) -> np.ndarray:
    """Return how much some output heeds each input, relative to what it heeds most.

    Each output (O, C, H, W) has a range of weights of its own.
    """
    most = np.abs(numpy_helper.to_array(weight)).max((2, 3))
    share = most / np.maximum(most.max(1, keepdims=True), np.finfo(np.float32).tiny)
    return np.maximum(share.max(0), LEAST)


def _multiply(tensor: onnx.TensorProto, factors: np.ndarray, *, axis: int) -> None:
    """Multiply along an axis, in place."""
    values = numpy_helper.to_array(tensor)
    shape = [-1 if i == axis else 1 for i in range(values.ndim)]
    changed = (values * factors.reshape(shape)).astype(values.dtype)
    tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))
