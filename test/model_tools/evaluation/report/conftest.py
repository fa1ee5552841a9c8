# SPDX-License-Identifier: Apache-2.0
"""A small evaluation record: three protocols, two sources, one task missing at night."""

import copy

import pytest


def boxes(names, ap50):
    return {
        'images': 4,
        'map50': ap50,
        'map50_95': ap50 / 2,
        'labels': {
            name: {
                'boxes': 12,
                'ap50': ap50,
                'ap50_95': ap50 / 2,
                'max_recall': 0.875,
                'at': {
                    '0.25': {'precision': 0.625, 'recall': 0.75, 'f1': 0.6818},
                    '0.5': {'precision': None, 'recall': 0.0, 'f1': None},
                },
                'recall_at_precision_0.9': 0.375,
                'ap50_by_height': {'<16': None, '16-32': 0.25, '>32': 1.0},
                'best_f1_score': 0.455,
            }
            for name in names
        },
    }


def mask(iou):
    return {
        'images': 4,
        'threshold': 0.55,
        'iou': iou,
        'background_iou': 0.9,
        'miou': (iou + 0.9) / 2,
        'recall': 0.8125,
        'balanced_accuracy': 0.9375,
        'precision': 0.7,
        'f1': 0.75,
    }


def part(images, *, names=('vehicle', 'person'), ap50=0.5, road=0.96, lane=0.4, labels=None):
    return {
        'images': images,
        'detection': boxes(names, ap50),
        'drivable': {**mask(road), 'direct': mask(0.7)},
        'lane': {
            **mask(lane),
            'tolerance': {'precision': 0.86, 'recall': 0.84, 'f1': 0.85, 'px': 4},
            'bands': {'far': 0.2, 'middle': 0.4, 'near': None},
            'dilated': mask(0.6),
        },
        'labels': labels
        or {'boxes': ['pseudo', 'real'], 'drivable': ['real'], 'lane': ['pseudo']},
    }


def protocol(names, *, overrides=None, lane_accuracy='recall'):
    people = {'boxes': ['real'], 'drivable': ['real'], 'lane': ['pseudo']}
    return {
        'settings': {
            'labels': list(names),
            'match': 'coco',
            'min_box_height': 12.0,
            'lane_accuracy': lane_accuracy,
        },
        'overrides': overrides or {},
        'all': part(90, names=names),
        'slices': {
            'source': {
                'town': part(60, names=names, ap50=0.625, labels=people),
                'motorway': part(30, names=names, lane=0.3),
            },
            'timeofday': {'night': {**part(30, names=names), 'detection': None, 'lane': None}},
        },
    }


RECORD = {
    'schema': 1,
    'tool_version': '0.1.0',
    'model': {
        'kind': 'model file',
        'name': 'net.onnx',
        'sha256': '0123456789abcdef' * 4,
        'labels': ['vehicle', 'person'],
        'input': 'letterbox 640x384',
        'thresholds': {'score': 0.42, 'drivable': 0.5, 'lane': 0.55},
    },
    'data': {
        'name': 'ROADS',
        'layout': 'yolop',
        'split': 'val',
        'images': 90,
        'label_set': {
            'names': ['vehicle', 'person'],
            'categories': {'car': 'vehicle', 'bus': 'vehicle', 'rider': 'person'},
            'ignored': {'trailer': 'vehicle'},
        },
        'label_sources': {
            'boxes': '2018 JSON',
            'drivable': 'mask files',
            'lane': 'drawn from polylines, 2 px',
        },
        'problems': {
            'images': 92,
            'skipped': 2,
            'skipped_by_kind': {'missing_mask': 2},
            'dropped_objects': {'empty_box': 3},
            'examples': ["'ROADS/a.jpg': no drivable mask; add it"],
        },
    },
    'protocols': {
        'dataset': protocol(
            ('vehicle', 'person'),
            overrides={
                'min_box_height': {'protocol': 0.0, 'used': 12.0, 'why': 'low boxes lack labels'}
            },
        ),
        'yolop': protocol(('vehicle',)),
        'rmt_ppad': protocol(('vehicle',), lane_accuracy='balanced_accuracy'),
    },
    'curves': {
        'precision_recall': {
            'vehicle': {
                'recall': [0.0, 0.5, 1.0],
                'precision': [1.0, 0.75, 0.5],
                'score': [0.9, 0.5, 0.1],
            },
            'person': {'recall': [], 'precision': [], 'score': []},
        },
        'calibration': {
            'vehicle': {
                'confidence': [0.25, None],
                'accuracy': [0.5, None],
                'count': [8, 0],
                'ece': 0.25,
            },
            'person': {
                'confidence': [None, None],
                'accuracy': [None, None],
                'count': [0, 0],
                'ece': None,
            },
        },
        'sweep': {
            'lane': {
                'threshold': [0.25, 0.5, 0.75],
                'iou': [0.375, 0.5, 0.25],
                'precision': [0.5, 0.75, None],
                'recall': [1.0, 0.75, 0.25],
            },
            'drivable': None,
        },
    },
}


@pytest.fixture
def record():
    return copy.deepcopy(RECORD)


@pytest.fixture
def bare_record(record):
    """A record without a single score: no task, no slice, no curve, no override."""
    nothing = {'images': 1, 'detection': None, 'drivable': None, 'lane': None}
    settings = record['protocols']['dataset']['settings']
    record['protocols'] = {
        'dataset': {'settings': settings, 'overrides': {}, 'all': nothing, 'slices': {}}
    }
    record['curves'] = {'precision_recall': None, 'calibration': {}, 'sweep': {}}
    record['data']['problems'] = {
        'images': 1,
        'skipped': 0,
        'skipped_by_kind': {},
        'dropped_objects': {},
        'examples': [],
    }
    return record
