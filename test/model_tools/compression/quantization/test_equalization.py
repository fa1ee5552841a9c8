# SPDX-License-Identifier: Apache-2.0
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from model_tools.compression.quantization.equalization import equalized, find_links


def conv(name, reads, weight, bias=None, groups=1):
    """Return a node of 1x1 filters, and its weights (O, I)."""
    weight = np.array(weight, np.float32)[:, :, None, None]
    tensors = [numpy_helper.from_array(weight, f'{name}.weight')]
    if bias is not None:
        tensors.append(numpy_helper.from_array(np.array(bias, np.float32), f'{name}.bias'))
    inputs = [reads, *(t.name for t in tensors)]
    return helper.make_node('Conv', inputs, [name], name=name, group=groups), tensors


def relu(reads):
    return helper.make_node('Relu', [reads], [f'{reads}_relu']), []


def add(one, other):
    return helper.make_node('Add', [one, other], ['sum']), []


def model(*parts, out, others=()):
    """Return a graph of an image (1, H, W, 3) in bytes."""
    front = [
        helper.make_node('Transpose', ['image'], ['planes'], perm=[0, 3, 1, 2]),
        helper.make_node('Cast', ['planes'], ['x'], to=onnx.TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        front + [node for node, _ in parts],
        'g',
        [helper.make_tensor_value_info('image', onnx.TensorProto.UINT8, [1, None, None, 3])],
        [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, None, None, None])
            for name in (out, *others)
        ],
        [tensor for _, tensors in parts for tensor in tensors],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=10)
    onnx.checker.check_model(made)
    return made


@pytest.fixture
def images():
    bright = np.zeros((2, 2, 3), np.uint8)
    bright[0, 1] = 200, 100, 50
    return [np.zeros((2, 2, 3), np.uint8), bright]


def weights(model):
    return {t.name: np.squeeze(numpy_helper.to_array(t)) for t in model.graph.initializer}


EYE = np.eye(3)
BY_CHANNEL = [[2.0], [3.0], [4.0]]
STEM = [conv('stem', 'x', EYE, [0.0, 0.0, 10.0]), relu('stem')]


def test_equalized__before_a_depthwise_convolution_all_channels_get_the_greatest_range(images):
    net = model(*STEM, conv('deep', 'stem_relu', BY_CHANNEL, groups=3), out='deep')
    before = net.SerializeToString()
    found = weights(equalized(net, images))
    # Ranges of 200, 100 and 60.
    np.testing.assert_allclose(found['stem.weight'], np.diag([1, 2, 200 / 60]), rtol=1e-6)
    np.testing.assert_allclose(found['stem.bias'], [0, 0, 10 * 200 / 60], rtol=1e-6)
    np.testing.assert_allclose(found['deep.weight'], [2, 3 / 2, 4 * 60 / 200], rtol=1e-6)
    assert net.SerializeToString() == before


def test_equalized__a_dense_convolution_takes_half_of_the_difference(images):
    net = model(*STEM, conv('deep', 'stem_relu', [[1.0, 1.0, 0.5], [0.1, 4.0, 0.1]]), out='deep')
    # Heeded most by some output: 1, 1 and 0.5 of what it heeds most.
    size = np.sqrt([200 / 1, 100 / 1, 60 / 0.5])
    scale = size / size[0]
    found = weights(equalized(net, images))
    np.testing.assert_allclose(found['stem.weight'], np.diag(1 / scale), rtol=1e-6)
    expected = np.array([[1.0, 1.0, 0.5], [0.1, 4.0, 0.1]]) * scale
    np.testing.assert_allclose(found['deep.weight'], expected, rtol=1e-6)


def test_equalized__channels_that_hardly_speak_are_scaled_a_hundredfold_at_most(images):
    stem = conv('stem', 'x', np.diag([1.0, 1e-3, -1.0]), [0.0, 0.0, 0.0])
    net = model(stem, relu('stem'), conv('deep', 'stem_relu', BY_CHANNEL, groups=3), out='deep')
    found = weights(equalized(net, images))
    np.testing.assert_allclose(np.diag(found['stem.weight']), [1, 0.1, -100], rtol=1e-6)
    np.testing.assert_allclose(found['deep.weight'], [2, 0.03, 0.04], rtol=1e-6)


def test_equalized__nothing_ever_speaks(images):
    stem = conv('stem', 'x', -EYE, [0.0, 0.0, 0.0])
    net = model(stem, relu('stem'), conv('deep', 'stem_relu', BY_CHANNEL, groups=3), out='deep')
    assert equalized(net, images).SerializeToString() == net.SerializeToString()


def test_equalized__without_relu_there_is_nothing_to_scale(images):
    sigmoid = helper.make_node('Sigmoid', ['stem'], ['gate']), []
    silu = helper.make_node('Mul', ['stem', 'gate'], ['stem_silu']), []
    deep = conv('deep', 'stem_silu', BY_CHANNEL, groups=3)
    net = model(conv('stem', 'x', EYE), sigmoid, silu, deep, out='deep')
    assert not find_links(net)
    assert equalized(net, images).SerializeToString() == net.SerializeToString()


def test_equalized__answers_are_the_same_with_several_readers(images):
    net = model(
        *STEM,
        conv('deep', 'stem_relu', BY_CHANNEL, [1.0, 2.0, 3.0], groups=3),
        conv('wide', 'stem_relu', [[1.0, -2.0, 3.0]]),
        out='deep',
        others=['wide'],
    )
    changed = equalized(net, images)
    assert changed.SerializeToString() != net.SerializeToString()
    for image in images:
        answers = [ReferenceEvaluator(m).run(None, {'image': image[None]}) for m in (net, changed)]
        for expected, found in zip(*answers, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


DEEP = conv('deep', 'stem_relu', EYE)
DEEP_AGAIN = helper.make_node('Conv', ['x', 'deep.weight'], ['again'])  # with the same weights
WIDE = [conv('wide', 'x', np.ones((4, 3))), relu('wide')]


@pytest.mark.parametrize(
    ('parts', 'out', 'others'),
    [
        ([conv('stem', 'x', EYE)], 'stem', []),
        ([conv('stem', 'x', EYE), conv('deep', 'stem', EYE)], 'deep', []),  # may be below 0
        ([*STEM], 'stem_relu', []),
        ([*STEM, DEEP], 'deep', ['stem_relu']),
        ([*STEM, DEEP, add('deep', 'stem_relu')], 'sum', []),
        ([*STEM, DEEP], 'deep', ['stem']),
        ([*STEM, DEEP, add('deep', 'stem')], 'sum', []),
        ([relu('x'), conv('deep', 'x_relu', EYE)], 'deep', []),
        ([*WIDE, conv('deep', 'wide_relu', [[1, 1], [1, 1]], groups=2)], 'deep', []),
        ([*STEM, DEEP, (DEEP_AGAIN, [])], 'again', ['deep']),
    ],
)
def test_find_links__none_where_others_would_see_it(parts, out, others):
    assert find_links(model(*parts, out=out, others=others)) == []


def test_find_links__two_in_a_row():
    net = model(*STEM, DEEP, relu('deep'), conv('last', 'deep_relu', EYE), out='last')
    links = find_links(net)
    assert [(link.source.name, link.tensor) for link in links] == [
        ('stem', 'stem_relu'),
        ('deep', 'deep_relu'),
    ]
    assert [[reader.name for reader in link.readers] for link in links] == [['deep'], ['last']]
