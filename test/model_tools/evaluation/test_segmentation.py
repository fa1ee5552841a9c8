# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model_tools.evaluation.segmentation import MaskCounts, lowest_level, mask_scores
from panoptic_perception.core.results import (
    Detections,
    EngineInfo,
    PanopticResult,
    StageTimes,
    Thresholds,
)

U = 127  # unknown
UNDEFINED = dict.fromkeys(
    ('iou', 'background_iou', 'miou', 'recall', 'balanced_accuracy', 'precision', 'f1')
)

# Three images of four pixels: their counts as [[TN, FP], [FN, TP]].
A = ([0, 0, 255, 255], [0, 255, 255, 255])
B = ([0, 0, 0, 0], [0, 0, 0, 0])
C = ([255, 255, 255, 255], [255, 0, 0, 0])
MATRICES = np.array([[[1, 1], [0, 2]], [[4, 0], [0, 0]], [[0, 0], [3, 1]]])


def _counts(*images):
    counts = MaskCounts()
    for image in images:
        if image is None:
            counts.add_missing()
        else:
            label, probability = (np.array(plane, np.uint8).reshape(1, -1) for plane in image)
            counts.add(label, probability)
    return counts


@pytest.mark.parametrize(
    ('label', 'probability', 'matrix'),
    [
        (*A, MATRICES[0]),
        (*B, MATRICES[1]),
        (*C, MATRICES[2]),
        ([255, U, U, 0], [255, 255, 0, 0], [[1, 0], [0, 1]]),
        ([255, 255], [127, 128], [[0, 0], [1, 1]]),
    ],
)
def test_confusion(label, probability, matrix):
    np.testing.assert_array_equal(_counts((label, probability)).confusion(0.5), [matrix])


def test_confusion__leaves_out_images_without_a_known_pixel():
    counts = _counts(A, None, ([U] * 4, [255] * 4), C)
    assert len(counts) == 4
    np.testing.assert_array_equal(counts.labelled, [True, False, False, True])
    np.testing.assert_array_equal(counts.confusion(0.5), MATRICES[[0, 2]])
    some = np.array([False, True, True, True])
    np.testing.assert_array_equal(counts.confusion(0.5, images=some), MATRICES[[2]])
    assert counts.confusion(0.5, images=~some & False).shape == (0, 2, 2)


def test_confusion__bands_are_thirds_of_the_rows():
    label = np.repeat(np.uint8([255, 255, 255, 0, 0, 0, U, U, 255]), 2).reshape(9, 2)
    found = np.repeat(np.uint8([255, 0, 0, 255, 0, 0, 255, 255, 255]), 2).reshape(9, 2)
    counts = MaskCounts()
    counts.add(label, found)
    bands = [counts.confusion(0.5, band=band)[0].tolist() for band in range(3)]
    assert bands == [[[0, 0], [4, 2]], [[4, 2], [0, 0]], [[0, 0], [0, 2]]]


def test_confusion__a_band_without_a_known_pixel_has_no_matrix():
    counts = MaskCounts()
    counts.add(np.uint8([[U], [0], [255]]), np.uint8([[255], [0], [255]]))
    assert counts.confusion(0.5, band=0).shape == (0, 2, 2)
    assert counts.confusion(0.5, band=2).shape == (1, 2, 2)


def test_confusion__of_more_images_than_the_first_store_holds():
    counts = _counts(*[A, None, C] * 100)
    np.testing.assert_array_equal(counts.confusion(0.5), np.tile(MATRICES[[0, 2]], (100, 1, 1)))


def test_add__another_size_is_refused():
    with pytest.raises(ValueError, match=r'one shape, found \(1, 4\) and \(2, 2\)'):
        MaskCounts().add(np.zeros((1, 4), np.uint8), np.zeros((2, 2), np.uint8))


@pytest.mark.parametrize('threshold', [1e-3, 0.05, 0.5, 0.9, 1.0])
def test_confusion__a_mask_gives_the_same_counts_at_any_threshold(threshold):
    np.testing.assert_array_equal(_counts(A, B, C).confusion(threshold), MATRICES)


@pytest.mark.parametrize('threshold', [0.0, 0.05, 0.2, 12 * 0.05, 1 / 255, 0.5, 0.9, 0.95, 1.0])
def test_lowest_level__is_that_of_the_vehicle(threshold):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    result = PanopticResult(
        source_wh=(16, 16),
        labels=(),
        detections=Detections(np.empty((0, 4)), np.empty(0), np.empty(0)),
        drivable_probability=ramp,
        lane_probability=ramp,
        thresholds=Thresholds(0.5, threshold, 0.5),
        times=StageTimes(0, 0, 0),
        engine=EngineInfo('', '', '', 1),
    )
    assert lowest_level(threshold) == ramp[result.drivable_mask() > 0].min()


@pytest.mark.parametrize(('threshold', 'logit'), [(0.45, -0.2007), (0.5, 0), (0.9, 2.1972)])
def test_lowest_level__parts_planes_where_the_logit_does(threshold, logit):
    below, above = np.rint(255 / (1 + np.exp([0.05 - logit, -0.05 - logit])))
    assert below < lowest_level(threshold) <= above


@pytest.mark.parametrize(
    ('average', 'absent', 'iou', 'miou', 'recall', 'balanced'),
    [
        ('image', 'zero', 0.3056, 0.4028, 0.4167, 0.4583),
        ('image', 'one', 0.6389, 0.5694, 0.4167, 0.4583),
        ('image', 'skip', 0.4583, 0.5694, 0.4167, 0.4583),
        ('batch:2', 'zero', 0.5278, 0.5417, 0.75, 0.6528),
        ('batch:1', 'zero', 0.3056, 0.4028, 0.4167, 0.4583),
        ('batch:48', 'zero', 0.4286, 0.4921, 0.5, 0.6667),
        ('dataset', 'zero', 0.4286, 0.4921, 0.5, 0.6667),
        ('dataset', 'one', 0.4286, 0.4921, 0.5, 0.6667),
        ('dataset', 'skip', 0.4286, 0.4921, 0.5, 0.6667),
    ],
)
def test_mask_scores__one_data_set_many_scores(average, absent, iou, miou, recall, balanced):
    for confusion in (
        MATRICES,
        _counts(A, B, C).confusion(0.5),
        _counts(A, None, B, C).confusion(0.5),
    ):
        scores = mask_scores(confusion, average=average, absent=absent)
        assert scores['iou'] == iou
        assert scores['miou'] == miou
        assert scores['recall'] == recall
        assert scores['balanced_accuracy'] == balanced


@pytest.mark.parametrize(
    ('matrix', 'absent', 'expected'),
    [  # IoU of lane and background, mIoU, recall, balanced accuracy, precision, F1
        (MATRICES[0], 'zero', (2 / 3, 1 / 2, 7 / 12, 1, 0.75, 2 / 3, 0.8)),
        (MATRICES[1], 'zero', (0, 1, 0.5, 0, 0.5, 0, 0)),
        (MATRICES[1], 'one', (1, 1, 1, 0, 0.5, 0, 0)),
        (MATRICES[1], 'skip', (None, 1, 1, 0, 0.5, 0, 0)),
        (MATRICES[2], 'zero', (1 / 4, 0, 1 / 8, 0.25, 0.125, 1, 0.4)),
        ([[0, 0], [0, 4]], 'zero', (1, 0, 0.5, 1, 0.5, 1, 1)),
        ([[0, 0], [0, 4]], 'one', (1, 1, 1, 1, 0.5, 1, 1)),
        ([[0, 0], [0, 4]], 'skip', (1, None, 1, 1, 0.5, 1, 1)),
    ],
)
def test_mask_scores__of_one_image(matrix, absent, expected):
    scores = mask_scores(np.array([matrix]), average='image', absent=absent)
    rounded = [None if value is None else round(value, 4) for value in expected]
    assert list(scores.values()) == rounded
    assert list(scores) == list(UNDEFINED)


@pytest.mark.parametrize(
    ('matrix', 'expected'),
    [
        ([[0, 0], [0, 0]], (None,) * 7),
        (
            [[4, 0], [0, 0]],
            (None, 1, None, None, None, None, None),
        ),  # nothing there, nothing found
        ([[3, 1], [0, 0]], (0, 0.75, 0.375, None, None, 0, 0)),  # nothing there
        ([[2, 0], [2, 0]], (0, 0.5, 0.25, 0, 0.5, 0, 0)),  # nothing found
        ([[0, 0], [0, 4]], (1, None, None, 1, None, 1, 1)),
        ([[2, 0], [0, 2]], (1, 1, 1, 1, 1, 1, 1)),
    ],
)
def test_mask_scores__a_data_set_has_no_score_without_a_denominator(matrix, expected):
    for absent in ('zero', 'one', 'skip'):
        scores = mask_scores(np.array([matrix]), average='dataset', absent=absent)
        assert tuple(scores.values()) == expected


@pytest.mark.parametrize('average', ['dataset', 'image', 'batch:48'])
def test_mask_scores__without_images(average):
    empty = np.zeros((0, 2, 2), np.int64)
    assert mask_scores(empty, average=average, absent='one') == UNDEFINED


def test_mask_scores__a_batch_weighs_its_images():
    # Two images of IoU 1/2 together, one of IoU 1.
    matrices = np.array([[[0, 0], [0, 2]], [[0, 2], [0, 0]], [[0, 0], [0, 1]]])
    assert mask_scores(matrices, average='batch:2', absent='zero')['iou'] == round(2 / 3, 4)


@pytest.mark.parametrize(
    ('prediction_width', 'label_width', 'error', 'iou'),
    [
        (4, 2, 0, 0.5),
        (4, 8, 0, 0.5),
        (2, 2, 1, 1 / 3),
        (8, 8, 1, 7 / 9),
        (2, 2, 2, 0),
        (8, 8, 2, 0.6),
    ],
)
def test_mask_scores__lines(prediction_width, label_width, error, iou):
    label, prediction = np.zeros((2, 6, 40), np.uint8)
    label[:, 20 - label_width // 2 : 20 + label_width // 2] = 255
    left = 20 + error - prediction_width // 2
    prediction[:, left : left + prediction_width] = 255
    counts = MaskCounts()
    counts.add(label, prediction)
    scores = mask_scores(counts.confusion(0.5), average='dataset', absent='skip')
    assert scores['iou'] == round(iou, 4)
    assert counts.image_iou(0.5) == pytest.approx(iou)


def test_image_iou__keeps_every_image():
    iou = _counts(A, None, B, C, ([0, 0], [255, 0])).image_iou(0.5)
    np.testing.assert_allclose(iou, [2 / 3, np.nan, np.nan, 1 / 4, 0])


def test_sweep():
    # Of the four pixels 4, 3, 2 and 1 are found from levels 13, 115, 128 and 230 upwards.
    counts = _counts(([0, 255, 0, 255], [13, 115, 128, 230]), None, ([U], [255]))
    sweep = counts.sweep()
    assert sweep['threshold'] == [round(0.05 * step, 2) for step in range(1, 20)]
    at = {t: i for i, t in enumerate(sweep['threshold'])}
    points = [(sweep['iou'][i], sweep['precision'][i], sweep['recall'][i]) for i in at.values()]
    assert points[at[0.05]] == (0.5, 0.5, 1)
    assert points[at[0.45]] == (0.6667, 0.6667, 1)  # 0.45 x 255 = 114.75
    assert points[at[0.5]] == (0.3333, 0.5, 0.5)
    assert points[at[0.9]] == (0.5, 1, 0.5)  # 0.9 x 255 = 229.5
    assert points[at[0.95]] == (0, 0, 0)
    assert _counts(None, ([U], [255])).sweep()['iou'] == [None] * 19


def test_calibration():
    first = ([0, 0, 0, 255, U], [0, 51, 51, 51, 255])
    counts = _counts(first, ([255, 255, 0, 255], [255] * 4))
    assert counts.calibration(bins=5) == {
        'confidence': [0.0, 0.2, None, None, 1.0],  # level 51 is 0.2, where the second bin begins
        'accuracy': [0.0, 0.3333, None, None, 0.75],
        'count': [1, 3, 0, 0, 4],
        'ece': round((0 + 3 * (1 / 3 - 0.2) + 4 * 0.25) / 8, 4),
    }
    assert _counts(first).calibration(bins=2) == {
        'confidence': [0.15, None],
        'accuracy': [0.25, None],
        'count': [4, 0],
        'ece': 0.1,
    }


def test_calibration__without_pixels():
    nothing = {'confidence': [None] * 10, 'accuracy': [None] * 10, 'count': [0] * 10, 'ece': None}
    assert MaskCounts().calibration() == nothing
    assert _counts(None).calibration() == nothing


@pytest.mark.parametrize(
    ('label', 'probability', 'threshold'),
    [
        ([0, 0, 255, 255], [100, 150, 180, 250], 0.6),  # the nearest that separates them
        ([0, 0, 255, 255], [10, 20, 180, 250], 0.5),  # flat: no reason to leave 0.5
        ([0, 0, 255, 255], [10, 20, 60, 250], 0.2),
        ([0, 0], [10, 20], 0.5),
        ([U, U], [10, 20], 0.5),
    ],
)
def test_best_threshold(label, probability, threshold):
    assert _counts((label, probability)).best_threshold() == threshold
    assert MaskCounts().best_threshold() == 0.5


def test_best_threshold__a_gain_below_flat_is_none():
    # At 0.5 one of 1001 found pixels is wrong, at 0.55 none: IoU 0.999 against 1.
    few = ([255] * 1000 + [0], [250] * 1000 + [130])
    more = ([255] * 1000 + [0] * 3, [250] * 1000 + [130] * 3)
    assert _counts(few).best_threshold() == 0.5
    assert _counts(more).best_threshold() == 0.55


shapes = st.tuples(st.integers(1, 8), st.integers(1, 5))
images = shapes.flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.uint8, shape, elements=st.sampled_from([0, U, 255])),
        hnp.arrays(np.uint8, shape),
    )
)


def _everything(counts):
    confusion = counts.confusion(0.5)
    scores = [
        mask_scores(confusion, average=average, absent=absent)
        for average in ('dataset', 'image', 'batch:2')
        for absent in ('zero', 'one', 'skip')
    ]
    return scores, counts.sweep(), counts.calibration(), counts.best_threshold()


def _filled(pairs):
    counts = MaskCounts()
    for label, probability in pairs:
        counts.add(label, probability)
    return counts


@given(st.lists(images, max_size=4), st.floats(0, 1))
def test_confusion__holds_every_known_pixel_once(pairs, threshold):
    counts = _filled(pairs)
    known = [int((label != U).sum()) for label, _ in pairs]
    confusion = counts.confusion(threshold)
    assert confusion.dtype == np.int64
    assert confusion.sum(axis=(1, 2)).tolist() == [pixels for pixels in known if pixels]
    np.testing.assert_array_equal(counts.labelled, np.array(known) > 0)
    bands = sum(counts.confusion(threshold, band=band).sum(axis=0) for band in range(3))
    np.testing.assert_array_equal(bands, confusion.sum(axis=0))
    assert sum(counts.calibration()['count']) == sum(known)


@settings(max_examples=40)
@given(st.lists(st.tuples(images, st.integers(0, 255)), max_size=4))
def test_scores__ignore_whatever_is_found_on_unknown_pixels(changes):
    pairs = [pair for pair, _ in changes]
    others = [(y, np.where(y == U, np.uint8(level), p)) for (y, p), level in changes]
    assert _everything(_filled(pairs)) == _everything(_filled(others))


@settings(max_examples=40)
@given(st.lists(images, max_size=4), st.integers(0, 4))
def test_scores__unlabelled_images_change_nothing(pairs, place):
    counts = MaskCounts()
    for index, (label, probability) in enumerate(pairs):
        if index == place:
            counts.add_missing()
        counts.add(label, probability)
    assert _everything(counts) == _everything(_filled(pairs))


@settings(max_examples=40)
@given(st.lists(images, max_size=4), st.randoms())
def test_scores__the_order_of_images_matters_to_batches_alone(pairs, random):
    shuffled = random.sample(pairs, len(pairs))
    (before, *curves), (after, *others) = (
        _everything(_filled(pairs)),
        _everything(_filled(shuffled)),
    )
    assert before[:3] == after[:3]
    assert curves == others


@settings(max_examples=40)
@given(st.lists(images, min_size=1, max_size=4))
def test_scores__of_the_labels_themselves_are_1(pairs):
    counts = _filled([(label, label) for label, _ in pairs])
    for average in ('dataset', 'image', 'batch:2'):
        scores = mask_scores(counts.confusion(0.5), average=average, absent='skip')
        assert {scores['iou'], scores['background_iou'], scores['miou']} <= {1.0, None}
