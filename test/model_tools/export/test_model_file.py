# SPDX-License-Identifier: Apache-2.0
import copy

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from model_tools.data.problems import Problems
from model_tools.data.readers import open_data
from model_tools.export.model_file import amend_model_file, write_model_file
from model_tools.export.onnx_graph import DeployedNet, over_pairs, to_levels
from model_tools.export.suppression import MAX_BOXES, NMS_IOU, SCORE_FLOOR
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.training.boxes import pairwise_iou
from panoptic_perception.engines import load_engine, read_model

INPUT_WH = (160, 96)


@pytest.fixture(scope='module')
def images(road_folder):
    data = open_data(road_folder)
    names = data.names('train')[:3]
    return np.stack([data.read('train', name, Problems(3)).image for name in names])


@pytest.fixture(scope='module')
def net(small_network):
    torch.manual_seed(3)
    net = PanopticNet(small_network).eval()
    with torch.no_grad():
        for logits in net.detection.class_logits:  # boxes over the floor
            logits.bias.fill_(-1.0)
    return net


@pytest.fixture(scope='module')
def lively_net(small_network, images):
    """Make a network whose scores differ from cell to cell: features of deviation 1."""
    torch.manual_seed(3)
    net = PanopticNet(small_network).train()
    with torch.no_grad():
        for norm in net.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.momentum = 1.0
        net(torch.from_numpy(images).permute(0, 3, 1, 2).float())
        for logits in net.detection.class_logits:
            logits.bias.fill_(-2.0)
            logits.weight.normal_(0, 0.5)
    return net.eval()


def _write(net, path):
    return write_model_file(
        net,
        path,
        input_wh=INPUT_WH,
        thresholds={'score': 0.3, 'drivable': 0.4, 'lane': 0.6},
        provenance={'data': ['toy']},
        metrics={'lane_iou': 0.5},
    )


@pytest.fixture(scope='module')
def file(net, tmp_path_factory):
    return _write(net, tmp_path_factory.mktemp('export') / 'net.onnx')


@pytest.fixture(scope='module')
def lively_file(lively_net, tmp_path_factory):
    return _write(lively_net, tmp_path_factory.mktemp('export') / 'lively.onnx')


def test_write_model_file__metadata_reads_back(file):
    model = read_model(file)
    assert model.labels == ('vehicle', 'person', 'cycle')
    assert model.input_wh == INPUT_WH
    assert vars(model.thresholds) == {'score': 0.3, 'drivable': 0.4, 'lane': 0.6}
    assert model.provenance == {'data': ['toy']}
    assert model.metrics == {'lane_iou': 0.5}
    assert model.batch_size is None


def test_amend_model_file__other_facts_and_the_graph_stay(file, images, tmp_path):
    path = tmp_path / 'net.onnx'
    path.write_bytes(file.read_bytes())
    amend_model_file(path, metrics={'lane_iou': 0.7})
    before, after = read_model(file), read_model(path)
    assert after.metrics == {'lane_iou': 0.7}
    assert (after.thresholds, after.provenance) == (before.thresholds, before.provenance)
    outputs = [load_engine(p).run(images) for p in (file, path)]
    np.testing.assert_array_equal(outputs[0].boxes, outputs[1].boxes)


def test_graph__batch_equals_single_images_and_is_sorted(lively_file, images):
    engine = load_engine(lively_file)
    batch = engine.run(images)
    assert len(batch.scores) > 10
    for i, image in enumerate(images):
        single = engine.run(image[None])
        rows = batch.batch_index == i
        np.testing.assert_allclose(batch.boxes[rows], single.boxes, atol=1e-3)
        np.testing.assert_allclose(batch.scores[rows], single.scores, atol=1e-6)
        np.testing.assert_array_equal(batch.labels[rows], single.labels)
        assert (np.diff(single.scores) <= 0).all()
        np.testing.assert_allclose(
            batch.drivable[i].astype(int), single.drivable[0].astype(int), atol=1
        )
    assert (np.diff(batch.batch_index) >= 0).all()


def test_graph__masks_are_enlarged_by_products_and_sums_of_rows_and_large_as_bytes_alone(file):
    graph = onnx.shape_inference.infer_shapes(onnx.load(file)).graph
    shapes = {
        value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    width, height = INPUT_WH
    makers = {node.output[0]: node.op_type for node in graph.node}
    wide = [makers[name] for name, shape in shapes.items() if shape[1:] == [height // 4, width]]
    large = [makers[name] for name, shape in shapes.items() if shape[1:] == [height, width]]
    assert wide.count('MatMul') == 2
    assert set(wide) == {'MatMul', 'Gather', 'Sub', 'Mul', 'Add', 'Sigmoid', 'Cast'}
    assert large == ['Reshape'] * 2
    constants = {tensor.name for tensor in graph.initializer}
    assert all(n.input[1] in constants for n in graph.node if n.op_type == 'MatMul')


@pytest.mark.parametrize(('kernel', 'padding'), [(6, 2), (4, 0), (2, 0)])
def test_over_pairs__what_a_convolution_says_of_pixels(kernel, padding):
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 5, kernel, 2, padding)
    image = torch.rand(2, 8, 12, 3)  # (N, H, W, C), as pairs (N, H, W / 2, 2 C)
    with torch.no_grad():
        found = over_pairs(conv)(image.reshape(2, 8, 6, 6).permute(0, 3, 1, 2))
        torch.testing.assert_close(found, conv(image.permute(0, 3, 1, 2)))


def test_deployed_net__masks_are_those_of_bilinear_enlarging(lively_net, images):
    net = copy.deepcopy(lively_net)
    with torch.no_grad():
        for logit in (net.drivable.logit, net.lane.logit):
            logit.weight.normal_(0, 2.0)
        found = DeployedNet(net, INPUT_WH).eval()(torch.from_numpy(images))[2:]
        output = net(torch.from_numpy(images).permute(0, 3, 1, 2).float())
        expected = to_levels(torch.cat((output.drivable, output.lane), 1)).unbind(1)
    for mask, truth in zip(found, expected, strict=True):
        assert truth.float().std() > 20
        assert (mask.int() - truth.int()).abs().max() <= 1


def test_graph__suppression_is_class_aware_and_capped(lively_file, images):
    output = load_engine(lively_file).run(images[:1])
    assert len(output.scores) <= MAX_BOXES
    assert (output.scores >= SCORE_FLOOR).all()
    overlap = pairwise_iou(*(torch.from_numpy(output.boxes),) * 2).numpy()
    np.fill_diagonal(overlap, 0)
    same_class = output.labels[:, None] == output.labels[None]
    assert (overlap[same_class] <= NMS_IOU + 1e-4).all()


def test_graph__nothing_found_is_empty(small_network, images, tmp_path):
    net = PanopticNet(small_network)
    with torch.no_grad():
        for logits in net.detection.class_logits:
            logits.weight.zero_()
            logits.bias.fill_(-9)
    path = _write(net, tmp_path / 'blind.onnx')
    output = load_engine(path).run(images[:1])
    assert output.boxes.shape == (0, 4)
    assert output.drivable.shape == (1, INPUT_WH[1], INPUT_WH[0])
