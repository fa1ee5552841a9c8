# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.data.bdd_labels import ImageLabels, LabelledObject
from model_tools.data.label_set import DEFAULT, VEHICLE
from model_tools.data.problems import Problems
from model_tools.data.readers.box_truth import box_truth

WH = (160, 96)


def _object(category, *box, **attributes):
    return LabelledObject(category, box or None, (), attributes)


def _truth(*objects, labels=DEFAULT, **attributes):
    problems = Problems(1)
    image = ImageLabels('n', attributes, objects, where='folder/n.json')
    return box_truth(image, labels, WH, problems), problems.summary()


@pytest.mark.parametrize(
    ('objects', 'boxes', 'labels', 'noted'),
    [
        ([], [], [], {}),
        ([_object('car', 1, 2, 30, 40)], [[1, 2, 30, 40]], [0], {}),
        ([_object('rider', 1, 2, 3, 4), _object('bike', 5, 6, 7, 8)], None, [1, 2], {}),
        ([_object('traffic light', 0, 0, 5, 5), _object('lane/crosswalk')], [], [], {}),
        ([_object('single white'), _object('direct'), _object('area/drivable')], [], [], {}),
        ([_object('car')], [], [], {}),  # has polygons, perhaps
        ([_object('car', 30, 10, 20, 40)], [], [], {'empty box': 1}),
        ([_object('car', 10, 40, 20, 10)], [], [], {'empty box': 1}),
        ([_object('car', 10, 10, 10, 40)], [], [], {'empty box': 1}),
        ([_object('bus', -0.5, 10, 160.9, 40)], [[0, 10, 160, 40]], [0], {}),
        ([_object('bus', -5, 10, 999, 40)], [[0, 10, 160, 40]], [0], {'box clipped': 1}),
        ([_object('bus', 0, -50, 10, 400)], [[0, 0, 10, 96]], [0], {'box clipped': 1}),
        ([_object('bus', 160, 10, 170, 40)], [], [], {'box outside': 1}),
        ([_object('bus', 10, -40, 20, 0)], [], [], {'box outside': 1}),
        (
            [_object('tram', 1, 2, 3, 4), _object('tram', 1, 2, 3, 4), _object('cow')],
            [],
            [],
            {'unknown category: tram': 2, 'unknown category: cow': 1},
        ),
    ],
)
def test_box_truth(objects, boxes, labels, noted):
    truth, summary = _truth(*objects)
    if boxes is not None:
        assert truth.boxes.tolist() == boxes
    assert truth.labels.tolist() == labels
    assert (truth.boxes.dtype, truth.boxes.shape) == (np.float32, (len(labels), 4))
    assert (truth.labels.dtype, truth.crowd.dtype) == (np.int64, bool)
    assert summary['dropped_objects'] == noted
    assert all("'folder/n.json'" in sentence for sentence in summary['examples'])
    assert truth.complete


def test_box_truth__regions_to_ignore():
    boxes = [
        _object('car', 1, 2, 30, 40),
        _object('car', 1, 2, 30, 40, crowd=True),
        _object('car', 1, 2, 30, 40, ignored=True),
        _object('car', 1, 2, 30, 40, crowd=False, occluded=True),
        _object('trailer', 1, 2, 30, 40),
        _object('other person', 1, 2, 30, 40),
    ]
    truth, summary = _truth(*boxes)
    assert truth.crowd.tolist() == [False, True, True, False, True, True]
    assert truth.labels.tolist() == [0, 0, 0, 0, 0, 1]
    assert summary['dropped_objects'] == {}


def test_box_truth__vehicles_alone():
    objects = [_object(c, 1, 2, 3, 4) for c in ('person', 'train', 'trailer', 'motor', 'truck')]
    truth, summary = _truth(*objects, labels=VEHICLE)
    assert truth.labels.tolist() == [0, 0]
    assert truth.crowd.tolist() == [False, False]
    assert summary['dropped_objects'] == {}


@pytest.mark.parametrize(
    ('how', 'boxes', 'complete'),
    [
        ('real', 1, True),
        ('pseudo-detector+mask', 1, True),
        ('pseudo-detector', 1, False),
        ('none', 0, False),
    ],
)
def test_box_truth__how_they_came_about(how, boxes, complete):
    truth, _ = _truth(_object('car', 1, 2, 3, 4), box_label=how)
    assert (len(truth.boxes), truth.complete) == (boxes, complete)
