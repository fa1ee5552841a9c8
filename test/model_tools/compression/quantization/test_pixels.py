# SPDX-License-Identifier: Apache-2.0
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from model_tools.compression.quantization.pixels import scaled_pixels
from panoptic_perception.engines.openvino_engine import float_settings

HEIGHT, WIDTH = 32, 48


def network(*, rounded=True):
    """Return a graph of bytes of an image, the first of its convolutions in 8 bits or not."""
    rng = np.random.default_rng(0)
    constants = {
        'one': np.float32(1),
        'step': np.float32(0.5),
        'zero': np.uint8(0),
        'first': rng.integers(-127, 128, (16, 3, 3, 3), np.int8),
        'second': rng.integers(-127, 128, (16, 16, 1, 1), np.int8),
        'first_scale': np.linspace(1e-4, 2e-4, 16, dtype=np.float32),
        'second_scale': np.full(16, 1e-3, np.float32),
        'zeros': np.zeros(16, np.int8),
    }
    node = helper.make_node
    rounding = [
        node('QuantizeLinear', ['planes', 'one', 'zero'], ['bytes']),
        node('DequantizeLinear', ['bytes', 'one', 'zero'], ['rounded']),
    ]
    nodes = [
        node('Transpose', ['image'], ['transposed'], perm=[0, 3, 1, 2]),
        node('Cast', ['transposed'], ['planes'], to=TensorProto.FLOAT),
        *(rounding if rounded else []),
        node('DequantizeLinear', ['first', 'first_scale', 'zeros'], ['first_weights'], axis=0),
        node('Conv', ['rounded' if rounded else 'planes', 'first_weights'], ['a'], name='stem'),
        node('Relu', ['a'], ['b']),
        node('QuantizeLinear', ['b', 'step', 'zero'], ['c']),
        node('DequantizeLinear', ['c', 'step', 'zero'], ['d']),
        node('DequantizeLinear', ['second', 'second_scale', 'zeros'], ['second_weights'], axis=0),
        node('Conv', ['d', 'second_weights'], ['out'], name='next'),
    ]
    graph = helper.make_graph(
        nodes,
        'g',
        [helper.make_tensor_value_info('image', TensorProto.UINT8, [1, HEIGHT, WIDTH, 3])],
        [helper.make_tensor_value_info('out', TensorProto.FLOAT, [1, 16, HEIGHT - 2, WIDTH - 2])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 19)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


@pytest.fixture
def image():
    return np.random.default_rng(1).integers(0, 256, (1, HEIGHT, WIDTH, 3), np.uint8)


def test_scaled_pixels__answers_as_before(image):
    model = network()
    before = model.SerializeToString()
    scaled = scaled_pixels(model)
    onnx.checker.check_model(scaled, full_check=True)
    found, expected = (
        ReferenceEvaluator(m).run(None, {'image': image})[0] for m in (scaled, model)
    )
    # Where one that lies on an edge falls to the other side, a step of an eighth at most.
    assert np.mean(np.abs(found - expected) > 1e-4) < 0.01
    assert expected.std() > 1
    assert model.SerializeToString() == before


def test_scaled_pixels__nothing_to_scale_where_the_image_is_not_rounded():
    model = network(rounded=False)
    assert scaled_pixels(model).SerializeToString() == model.SerializeToString()


def test_scaled_pixels__openvino_runs_the_first_convolution_in_8_bits():
    pytest.importorskip('openvino', reason='openvino is missing')
    from panoptic_perception.engines.quiet_openvino import openvino_core

    core = openvino_core()
    kernels = {}
    for name, model in (('before', network()), ('scaled', scaled_pixels(network()))):
        read = core.read_model(model.SerializeToString())
        run = core.compile_model(read, 'CPU', float_settings('f32', threads=1))
        operators = {
            op.get_rt_info()['layerType'].value: op.get_rt_info()
            for op in reversed(run.get_runtime_model().get_ordered_ops())
        }
        kernels[name] = operators['Convolution']['runtimePrecision'].value  # of the first
    assert kernels == {'before': 'f32', 'scaled': 'u8'}
