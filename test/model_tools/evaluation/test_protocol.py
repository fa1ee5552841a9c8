# SPDX-License-Identifier: Apache-2.0
import pytest

from model_tools.evaluation.protocol import PROTOCOLS, Override, ProtocolError, load_protocols


def test_protocols__settings_of_the_literature():
    chosen = {
        name: (p.labels, p.match, p.ap, p.mask_grid, p.average, p.absent, p.lane_accuracy)
        for name, p in PROTOCOLS.items()
    }
    vehicle = ('vehicle',)
    assert chosen == {
        'dataset': ((), 'coco', 'coco', 'native', 'dataset', 'skip', 'recall'),
        'yolop': (
            *(vehicle, 'best_gt_strict', 'tail001', 'content'),
            *('batch:48', 'zero', 'recall'),
        ),
        'rmt_ppad': (
            *(vehicle, 'best_gt', 'tail1', 'stretch640'),
            *('image', 'one', 'balanced_accuracy'),
        ),
    }
    thresholds = {n: (p.drivable_threshold, p.lane_threshold) for n, p in PROTOCOLS.items()}
    assert thresholds == {'dataset': (None, None), 'yolop': (0.5, 0.5), 'rmt_ppad': (0.45, 0.9)}
    assert [p.max_boxes for p in PROTOCOLS.values()] == [300, 300, 300]
    assert PROTOCOLS['rmt_ppad'].lane_dilate == 7
    assert not any(p.overrides for p in PROTOCOLS.values())


def test_override__difference_is_on_record_with_the_protocols_own_value():
    protocol = PROTOCOLS['yolop']
    assert protocol.override('max_boxes', 300, 'same') is protocol
    changed = protocol.override('score_floor', 0.01, 'asked').override('score_floor', 0.05, 'file')
    assert changed.score_floor == 0.05
    assert changed.overrides == {'score_floor': Override(0.001, 0.05, 'file')}
    assert protocol.score_floor == 0.001


@pytest.mark.parametrize(
    ('setting', 'text', 'value'),
    [
        ('min_box_height', '12', 12.0),
        ('max_boxes', '100', 100),
        ('lane_threshold', '0.25', 0.25),
        ('drivable', 'direct', 'direct'),
        ('average', 'batch:7', 'batch:7'),
        ('labels', 'vehicle, person', ('vehicle', 'person')),
        ('match', 'best_gt', 'best_gt'),
        ('mask_grid', 'content', 'content'),
        ('lane_dilate', '7', 7),
    ],
)
def test_load_protocols__override(setting, text, value):
    (protocol,) = load_protocols(['dataset'], {setting: text})
    assert getattr(protocol, setting) == value
    assert type(getattr(protocol, setting)) is type(value)
    assert protocol.overrides[setting].used == value


@pytest.mark.parametrize(
    ('names', 'overrides', 'message'),
    [
        (['yolo'], {}, r"unknown protocols \['yolo'\]; known: \['dataset', 'yolop', 'rmt_ppad'\]"),
        (['yolop'], {'iou': '0.5'}, "unknown setting 'iou'; known: "),
        (['yolop'], {'geometry': 'stretch'}, "unknown setting 'geometry'"),
        (['yolop'], {'overrides': '1'}, "unknown setting 'overrides'"),
        (['yolop'], {'match': 'first'}, r"'match' is one of \['best_gt_strict', "),
        (['yolop'], {'max_boxes': '3.5'}, 'a whole number from 1 to 100000, found .3.5'),
        (['yolop'], {'max_boxes': '0'}, 'from 1 to'),
        (['yolop'], {'score_floor': 'low'}, "a number from 0 to 1, found 'low'"),
        (['yolop'], {'score_floor': 'nan'}, 'a number from 0 to 1'),
        (['yolop'], {'lane_threshold': '1.1'}, 'a number from 0 to 1'),
        (['yolop'], {'average': 'batch:0'}, 'batch:K with K above 0'),
        (['yolop'], {'average': 'mean'}, 'batch:K with K above 0'),
    ],
)
def test_load_protocols__refused_by_name(names, overrides, message):
    with pytest.raises(ProtocolError, match=message):
        load_protocols(names, overrides)
