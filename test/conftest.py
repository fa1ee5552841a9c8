# SPDX-License-Identifier: Apache-2.0
"""
A tiny real model of the model file contract, and scenes with known answers.

Its outputs depend on the image alone: the drivable probability is the green channel, the lane
probability the blue channel, and each label's box is the extent of one strong colour.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import settings
from onnx import TensorProto, helper, numpy_helper

# A shell that starts the tests in the background has them ignore Ctrl-C, and all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is slow now and then; a slow example is no failure.
settings.register_profile('panoptic', deadline=None, max_examples=100)
settings.load_profile('panoptic')

LABELS = ['vehicle', 'person', 'cycle']
# Which channels (blue, green, red) are strong in the colour of each label; all others are weak.
LABEL_CHANNELS = [[0, 0, 1], [1, 0, 1], [0, 1, 1]]
LABEL_COLOURS = [tuple(255 * channel for channel in channels) for channels in LABEL_CHANNELS]
LABEL_SCORES = [0.9, 0.8, 0.7]


@pytest.fixture(scope='session')
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a valid model file: 640x384, any batch size."""
    path = tmp_path_factory.mktemp('models') / 'tiny.onnx'
    onnx.save(build_tiny_model(), path)
    return path


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., Path]:
    """
    Return a function that writes a variant of the tiny model and returns its path.

    `change` edits the model before it is saved; the other arguments are those of
    `build_tiny_model`.
    """

    def make(
        change: Callable[[onnx.ModelProto], object] | None = None, *, name='model.onnx', **options
    ) -> Path:
        model = build_tiny_model(**options)
        if change:
            change(model)
        (tmp_path / name).write_bytes(model.SerializeToString())
        return tmp_path / name

    return make


@pytest.fixture(scope='session')
def scene() -> np.ndarray:
    """
    Return a 1280x720 BGR image whose answers by the tiny model are known.

    Boxes: vehicle (100, 200, 300, 400), person (600, 300, 640, 420), cycle (900, 500, 1000, 560).
    The lower quarter is drivable, an upright lane line covers x 636 to 644, y 440 to 720. The
    cycle's colour is drivable too and the person's colour is lane, as their channels say.
    """
    image = draw_scene()
    image.setflags(write=False)
    return image


def draw_scene() -> np.ndarray:
    """Draw the image of the `scene` fixture."""
    image = np.full((720, 1280, 3), 40, np.uint8)
    image[540:, :, 1] = 220
    image[440:, 636:644] = (250, 60, 40)
    image[200:400, 100:300] = LABEL_COLOURS[0]
    image[300:420, 600:640] = LABEL_COLOURS[1]
    image[500:560, 900:1000] = LABEL_COLOURS[2]
    return image


def build_tiny_model(
    *,
    height: int = 384,
    width: int = 640,
    batch: int | str = 'N',
    opset: int = 18,
    box_factor: float = 1.0,
    fails_on_red_corner: bool = False,
    metadata: dict[str, str | None] | None = None,
) -> onnx.ModelProto:
    """
    Build the tiny model.

    Args:
        height: Rows of the network input.
        width: Columns of the network input.
        batch: A fixed number of images, or the name of a free dimension.
        opset: Operator set of the default domain.
        box_factor: Factor on every box; NaN or infinity make a network that fails.
        fails_on_red_corner: Whether an image with red 255 in its first pixel is an error of the
            engine, as if its device had gone.
        metadata: Entries to replace, or to leave out where None.

    """
    constants = {
        'blue': np.int64(0),
        'green': np.int64(1),
        'red': np.int64(2),
        'no_channel': np.int64(3),
        'full': np.uint8(255),
        'strong': np.array(LABEL_CHANNELS, bool).reshape(1, 3, 1, 1, 3),
        'good_fit': np.uint8(180),
        'axis_1': np.array([1], np.int64),
        'axis_2': np.array([2], np.int64),
        'axis_3': np.array([3], np.int64),
        'axis_4': np.array([4], np.int64),
        'one': np.float32(1),
        'factor': np.float32(box_factor),
        'label_scores': np.diag(LABEL_SCORES).astype(np.float32)[None],
        'max_boxes': np.array([300], np.int64),
        'iou': np.array([0.6], np.float32),
        'floor': np.array([0.05], np.float32),
        'column_0': np.int64(0),
        'column_1': np.int64(1),
        'batch_and_box': np.array([0, 2], np.int64),
    }
    nodes = [
        _node('Gather', 'image green', 'drivable', axis=3),
        *(_failing_blue() if fails_on_red_corner else []),
        _node('Gather', f'image {"its_blue" if fails_on_red_corner else "blue"}', 'lane', axis=3),
        # hit: float [N, 3 labels, H, W], 1 for pixels in the colour of each label
        _node('Unsqueeze', 'image axis_1', 'pixels'),
        _node('BitwiseNot', 'pixels', 'inverted'),
        _node('Where', 'strong pixels inverted', 'channel_fit'),
        _node('ReduceMin', 'channel_fit axis_4', 'fit', keepdims=0),
        _node('GreaterOrEqual', 'fit good_fit', 'is_hit'),
        _node('Cast', 'is_hit', 'hit', to=TensorProto.FLOAT),
        _node('ReduceMax', 'hit axis_3', 'rows', keepdims=0),
        _node('ReduceMax', 'hit axis_2', 'columns', keepdims=0),
        *_extent('columns', 'x'),
        *_extent('rows', 'y'),
        _node('Concat', 'x_low y_low x_high y_high', 'corners', axis=2),
        _node('Mul', 'corners factor', 'candidates'),
        # scores: float [N, 3 labels, 3 boxes]; box i can only have label i
        _node('ReduceMax', 'rows axis_2', 'present', keepdims=1),
        _node('Mul', 'present label_scores', 'candidate_scores'),
        _node('NonMaxSuppression', 'corners candidate_scores max_boxes iou floor', 'selected'),
        _node('Gather', 'selected column_0', 'batch_index', axis=1),
        _node('Gather', 'selected column_1', 'labels', axis=1),
        _node('Gather', 'selected batch_and_box', 'places', axis=1),
        _node('GatherND', 'candidates places', 'boxes'),
        _node('GatherND', 'candidate_scores selected', 'scores'),
    ]
    graph = helper.make_graph(
        nodes,
        'tiny',
        [_value('image', TensorProto.UINT8, [batch, height, width, 3])],
        [
            _value('boxes', TensorProto.FLOAT, ['M', 4]),
            _value('scores', TensorProto.FLOAT, ['M']),
            _value('labels', TensorProto.INT64, ['M']),
            _value('batch_index', TensorProto.INT64, ['M']),
            _value('drivable', TensorProto.UINT8, [batch, height, width]),
            _value('lane', TensorProto.UINT8, [batch, height, width]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)], ir_version=8)
    entries = {
        'panoptic.schema': 1,
        'panoptic.labels': LABELS,
        'panoptic.input': {'height': height, 'width': width, 'colour': 'bgr', 'pad_value': 114},
        'panoptic.thresholds': {'score': 0.3, 'drivable': 0.5, 'lane': 0.5},
        'panoptic.precision': 'fp32',
        'panoptic.provenance': {'origin': 'test fixture'},
        'panoptic.metrics': {},
    }
    texts = {key: json.dumps(value) for key, value in entries.items()} | (metadata or {})
    helper.set_model_props(model, {key: text for key, text in texts.items() if text is not None})
    return model


def _failing_blue() -> list[onnx.NodeProto]:
    """Return nodes that make the index of a channel: that of blue, or one beyond the last."""
    corner = ['image', 'batch_item', 'row', 'pixel']
    return [
        *(_node('Gather', f'{a} blue', b, axis=0) for a, b in pairwise(corner)),
        _node('Gather', 'pixel red', 'corner_red', axis=0),
        _node('Equal', 'corner_red full', 'is_red'),
        _node('Where', 'is_red no_channel blue', 'its_blue'),
    ]


def _node(kind: str, inputs: str, output: str, **attributes) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), [output], **attributes)


def _value(name: str, kind: int, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _extent(hits: str, name: str) -> list[onnx.NodeProto]:
    """Find the first and last hit along the last axis as float [N, 3, 1] edges."""
    last = {'axis': 2, 'keepdims': 1}
    return [
        _node('ArgMax', hits, f'{name}_first', **last),
        _node('ArgMax', hits, f'{name}_last', select_last_index=1, **last),
        _node('Cast', f'{name}_first', f'{name}_low', to=TensorProto.FLOAT),
        _node('Cast', f'{name}_last', f'{name}_last_float', to=TensorProto.FLOAT),
        _node('Add', f'{name}_last_float one', f'{name}_high'),
    ]
