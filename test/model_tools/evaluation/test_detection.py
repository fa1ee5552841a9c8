# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from faster_coco_eval import COCO, COCOeval_faster

from model_tools.evaluation.detection import HEIGHTS, BoxResult, BoxTruth, DetectionCounts

RULES = ('best_gt_strict', 'best_gt', 'coco')


def _truth(*boxes, labels=None, crowd=None):
    n = len(boxes)
    return BoxTruth(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.zeros(n, int) if labels is None else np.array(labels),
        np.zeros(n, bool) if crowd is None else np.array(crowd, bool),
    )


def _found(*boxes, scores=None, labels=None):
    n = len(boxes)
    return BoxResult(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores if scores is not None else np.linspace(0.9, 0.1, n), np.float32),
        np.zeros(n, int) if labels is None else np.array(labels),
    )


def _counts(*images, match='coco', labels=('vehicle',), **options):
    counts = DetectionCounts(labels, match=match, **options)
    for truth, found in images:
        counts.add(truth, found)
    return counts


def _vehicle(*images, ap='coco', **options):
    return _counts(*images, **options).scores(ap)['labels']['vehicle']


G0, G1, FAR = [0, 0, 20, 20], [100, 0, 120, 20], [200, 0, 220, 20]


@pytest.mark.parametrize('match', RULES)
@pytest.mark.parametrize(
    ('image', 'ap50', 'recall'),
    [
        ((_truth(), _found()), None, None),
        ((_truth(), _found(G0)), None, None),
        ((_truth(G0), _found()), 0.0, 0.0),
        ((_truth(G0), _found(G0)), 1.0, 1.0),
        ((_truth(G0, G1), _found(G0)), 0.505, 0.5),  # 51 of 101 recall points
        ((_truth(G0), _found(G1, G0)), 0.5, 1.0),
        # an ignored box is not missed, and what is found there is not false
        ((_truth(G0, crowd=[1]), _found(G0)), None, None),
        ((_truth(G0, [90, 0, 200, 50], crowd=[0, 1]), _found(G1, G1, G0)), 1.0, 1.0),
        ((_truth(G0, [90, 0, 200, 50], crowd=[0, 1]), _found(G0)), 1.0, 1.0),
        ((_truth(G0, [90, 0, 200, 50], crowd=[0, 1]), _found(FAR, G0)), 0.5, 1.0),
        # lower than 12 px, on either side
        ((_truth(G0, [50, 0, 60, 10]), _found([80, 0, 90, 10], G0)), 1.0, 1.0),
        ((_truth(G0, [50, 0, 60, 10]), _found([50, 0, 60, 13], G0)), 1.0, 1.0),
        # a hit counts even if the found box is lower
        ((_truth([0, 0, 20, 13]), _found([0, 0, 20, 11])), 1.0, 1.0),
    ],
)
def test_scores(match, image, ap50, recall):
    scores = _vehicle(image, match=match, min_height=12)
    assert scores['ap50'] == (None if ap50 is None else pytest.approx(ap50, abs=1e-3))
    assert scores['max_recall'] == recall


def test_scores__every_number():
    image = (_truth(G0, G1, FAR), _found(G0, [50, 50, 70, 70], G1, scores=[0.9, 0.8, 0.3]))
    assert _counts(image).scores('tail001') == {
        'images': 1,
        'map50': 0.555,
        'map50_95': 0.555,
        'labels': {
            'vehicle': {
                'boxes': 3,
                'ap50': 0.555,
                'ap50_95': 0.555,
                'ap50_by_height': {'<16': None, '16-32': 0.555, '>32': None},
                'max_recall': 0.6667,
                'at': {
                    '0.25': {'precision': 0.6667, 'recall': 0.6667, 'f1': 0.6667},
                    '0.5': {'precision': 0.5, 'recall': 0.3333, 'f1': 0.4},
                },
                'recall_at_precision_0.9': 0.3333,
                'best_f1_score': 0.3,
            }
        },
    }


def test_scores__nothing_labelled_has_the_same_keys():
    some, none = _vehicle((_truth(G0), _found(G0))), _vehicle((_truth(), _found(G0)))
    assert list(some) == list(none)
    assert none['at']['0.5'] == {'precision': None, 'recall': None, 'f1': None}
    assert _counts((_truth(), _found(G0))).scores('coco')['map50'] is None


@pytest.mark.parametrize(
    ('match', 'ap50', 'ap50_95'),
    # IoU 0.6: COCO's loose thresholds 0.5, 0.55 and 0.6 of ten; the strict rule has two
    [('best_gt_strict', 1.0, 0.2), ('best_gt', 1.0, 0.3), ('coco', 1.0, 0.3)],
)
def test_scores__equal_to_the_threshold(match, ap50, ap50_95):
    scores = _vehicle((_truth([0, 0, 10, 10]), _found([0, 0, 10, 6])), match=match)
    assert (scores['ap50'], scores['ap50_95']) == (ap50, ap50_95)


@pytest.mark.parametrize('match', RULES)
def test_scores__by_height(match):
    low, middle, edge, tall = [0, 0, 9, 15.5], [20, 0, 29, 16], [40, 0, 49, 32], [60, 0, 99, 32.5]
    image = (_truth(low, middle, edge, tall), _found(low, middle, tall, [200, 0, 209, 10]))
    heights = _vehicle(image, match=match)['ap50_by_height']
    # 'edge' is missed in the middle range; the false box is low, and false only there
    assert heights == {'<16': 1.0, '16-32': pytest.approx(51 / 101, abs=1e-4), '>32': 1.0}


def test_scores__min_height_cuts_the_height_ranges():
    image = (_truth([0, 0, 9, 10], [20, 0, 29, 14]), _found([20, 0, 29, 14]))
    scores = _vehicle(image, min_height=12)
    assert (scores['boxes'], scores['ap50_by_height']['<16']) == (1, 1.0)


def test_scores__labels_are_apart_and_means_leave_out_what_is_nowhere():
    labels = ('vehicle', 'person', 'cycle')
    image = (_truth(G0, G1, labels=[0, 1]), _found(G0, G1, FAR, labels=[0, 0, 2]))
    scores = _counts(image, labels=labels).scores('coco')
    assert [scores['labels'][name]['ap50'] for name in labels] == [1.0, 0.0, None]
    assert (scores['map50'], scores['map50_95']) == (0.5, 0.5)


def test_scores__best_boxes_of_a_label():
    image = (_truth(G0), _found(G1, FAR, G0, scores=[0.9, 0.8, 0.7]))
    assert _vehicle(image, max_boxes=2)['max_recall'] == 0
    assert _vehicle(image, max_boxes=3)['max_recall'] == 1


def test_scores__equal_scores_keep_the_order_of_images():
    hit, false = (_truth(G0), _found(G0, scores=[0.5])), (_truth(), _found(G0, scores=[0.5]))
    assert _vehicle(hit, false)['ap50'] == 1.0
    assert _vehicle(false, hit)['ap50'] == 0.5


HIT, MISSED, FALSE, EMPTY = (
    (_truth(G0), _found(G0)),
    (_truth(G0), _found()),
    (_truth(), _found(G0)),
    (_truth(), _found()),
)


def test_subsets_of_images():
    counts = _counts(HIT, MISSED)
    counts.add_missing()
    assert counts.labelled.tolist() == [True, True, False]
    assert counts.scores('coco')['images'] == 2
    for chosen, ap50 in (([1, 0, 0], 1.0), ([0, 1, 1], 0.0), ([1, 1, 0], 0.505)):
        scores = counts.scores('coco', np.array(chosen, bool))
        assert scores['map50'] == pytest.approx(ap50, abs=1e-4)


def test_scores__reading_does_not_disturb_what_is_added_later():
    counts = _counts(HIT)
    counts.scores('coco')
    counts.add(*MISSED)
    counts.scores('coco')
    counts.add(*FALSE)
    assert counts.scores('tail1') == _counts(HIT, MISSED, FALSE).scores('tail1')


@pytest.mark.parametrize('images', [None, np.zeros(0, bool)])
def test_no_images(images):
    counts = DetectionCounts(['vehicle'], match='coco')
    for read in (lambda: counts.scores('coco', images), lambda: counts.image_f1(0.5)):
        with pytest.raises(ValueError, match='need an image with labelled boxes, found none'):
            read()


def test_no_labelled_images():
    counts = _counts(HIT)
    counts.add_missing()
    with pytest.raises(ValueError, match='need an image with labelled boxes'):
        counts.scores('coco', np.array([False, True]))


@pytest.mark.parametrize(
    ('truth', 'found', 'sentence'),
    [
        (_truth(G0, labels=[1]), _found(), r'image 0, labelled boxes: label 1 to 1 found, expec'),
        (_truth(), _found(G0, labels=[-1]), r'found boxes: .* expected 0 to 0 of'),
        (_truth(G0), _found(G0, scores=[np.nan]), 'found boxes: .* must be finite'),
        (_truth([0, 0, np.inf, 9]), _found(), 'labelled boxes: .* must be finite'),
        (_truth(G0, crowd=[0, 0]), _found(), r'expected 1 rows of four, found'),
        (_truth(G0), _found(G0, scores=[0.9, 0.8]), r'expected 1 rows of four, found'),
    ],
)
def test_add__malformed(truth, found, sentence):
    counts = DetectionCounts(['vehicle'], match='coco')
    with pytest.raises(ValueError, match=sentence):
        counts.add(truth, found)
    assert not len(counts.labelled)


def test_curves():
    image = (_truth(G0, G1, FAR), _found(G0, [50, 50, 70, 70], G1, scores=[0.9, 0.8, 0.3]))
    curve = _counts(image).curves()['vehicle']
    assert curve['recall'] == [round(i / 100, 2) for i in range(67)]
    assert curve['precision'] == [1.0] * 34 + [0.6667] * 33
    assert curve['score'] == [0.9] * 34 + [0.3] * 33


@pytest.mark.parametrize('image', [MISSED, FALSE, EMPTY])
def test_curves__nothing_to_draw(image):
    assert _counts(image).curves() == {'vehicle': {'recall': [], 'precision': [], 'score': []}}


def test_calibration():
    # bins of a half: 0.2 and 0.4, both false; 0.6 and 1.0, both right
    image = (_truth(G0, G1), _found(G0, G1, FAR, FAR, scores=[1.0, 0.6, 0.4, 0.2]))
    assert _counts(image).calibration(bins=2)['vehicle'] == {
        'confidence': [0.3, 0.8],
        'accuracy': [0.0, 1.0],
        'count': [2, 2],
        'ece': 0.25,  # (2 * 0.3 + 2 * 0.2) / 4
    }


def test_calibration__ignored_detections_are_left_out():
    image = (_truth(G0, crowd=[1]), _found(G0))
    assert _counts(image).calibration(bins=2)['vehicle'] == {
        'confidence': [None, None],
        'accuracy': [None, None],
        'count': [0, 0],
        'ece': None,
    }


def test_image_f1():
    counts = _counts(HIT, MISSED, FALSE, EMPTY)
    counts.add_missing()
    counts.add(_truth(G0, G1), _found(G0, FAR, scores=[0.9, 0.3]))
    np.testing.assert_allclose(counts.image_f1(0.5), [1, 0, 0, np.nan, np.nan, 2 / 3])
    np.testing.assert_allclose(counts.image_f1(0.2), [1, 0, 0, np.nan, np.nan, 1 / 2])


LABELS = ('vehicle', 'person', 'cycle')
MIN_HEIGHT = 8.0


def _random_images(rng):
    """Draw images with crowds, equal scores, near and exact boxes, and empty ones."""
    for _ in range(rng.integers(1, 8)):
        n = rng.integers(0, 12)
        low = rng.integers(0, 60, (n, 2))
        boxes = np.hstack([low, low + rng.integers(2, 50, (n, 2))])
        labels, crowd = rng.integers(0, 3, n), rng.random(n) < 0.2
        picked = rng.integers(0, n, rng.integers(0, 25)) if n else np.zeros(0, int)
        shift = rng.integers(-4, 5, (len(picked), 4)) * rng.integers(0, 2, (len(picked), 1))
        found = boxes[picked] + shift
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        swapped = np.where(rng.random(len(picked)) < 0.1, 1, labels[picked])
        scores = rng.random(len(picked)).round(1)
        yield (
            _truth(*boxes, labels=labels, crowd=crowd),
            _found(*found, scores=scores, labels=swapped),
        )


def _coco_annotation(image, box, label, **more):
    x1, y1, x2, y2 = (float(v) for v in box)
    shape = {'bbox': [x1, y1, x2 - x1, y2 - y1], 'area': y2 - y1}  # its height, for `areaRng`
    return {'image_id': image, 'category_id': int(label), **shape, **more}


def _coco_evaluation(images, max_boxes):
    truth, found = [], []
    for i, (t, f) in enumerate(images):
        for box, label, crowd in zip(t.boxes, t.labels, t.crowd, strict=True):
            truth.append(_coco_annotation(i, box, label, iscrowd=int(crowd), id=len(truth) + 1))
        for box, label, score in zip(f.boxes, f.labels, f.scores, strict=True):
            found.append(_coco_annotation(i, box, label, score=float(score), id=len(found) + 1))
    dataset = {
        'images': [{'id': i} for i in range(len(images))],
        'categories': [{'id': k, 'name': name} for k, name in enumerate(LABELS)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval_faster(
            COCO({**dataset, 'annotations': truth}),
            COCO({**dataset, 'annotations': found}),
            'bbox',
        )
        evaluation.params.maxDets = [1, 2, max_boxes]
        evaluation.params.areaRngLbl = ['all', *HEIGHTS]
        evaluation.params.areaRng = [
            [MIN_HEIGHT, 1e10],
            *([max(low, MIN_HEIGHT), min(high, 1e10)] for low, high in HEIGHTS.values()),
        ]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval


def _known(values):
    """Read COCO's -1 as None."""
    return None if values.min() < 0 else pytest.approx(values.mean(), abs=1e-6)


@pytest.mark.parametrize('seed', range(60))
def test_scores__equal_to_coco(seed):
    images = list(_random_images(np.random.default_rng(seed)))
    max_boxes = 3 if seed % 3 == 0 else 300
    counts = _counts(*images, labels=LABELS, min_height=MIN_HEIGHT, max_boxes=max_boxes)
    expected = _coco_evaluation(images, max_boxes)
    precision, recall = expected['precision'][..., -1], expected['recall'][..., -1]
    for k, label in enumerate(LABELS):
        scores = counts.label_scores(label, 'coco')
        assert scores['ap50'] == _known(precision[0, :, k, 0])
        assert scores['ap50_95'] == _known(precision[:, :, k, 0])
        assert scores['max_recall'] == _known(recall[0, k, :1])
        for area, height in enumerate(HEIGHTS, 1):
            assert scores['ap50_by_height'][height] == _known(precision[0, :, k, area])
