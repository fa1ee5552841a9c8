# SPDX-License-Identifier: Apache-2.0
"""The tiny model answers by colour, so its scores on a drawn data set are known."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from model_tools.data.holdout import held_out_part
from model_tools.data.label_set import VEHICLE, load_label_set
from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers import ReaderSettings, open_data, read_samples
from model_tools.data.subset import Subset
from model_tools.evaluation.counts import ProtocolCounts
from model_tools.evaluation.evaluate import evaluate, merge_records
from model_tools.evaluation.extremes import extreme_tiles, image_scores
from model_tools.evaluation.prediction import Prediction
from model_tools.evaluation.predictors import ModelFilePredictor
from model_tools.evaluation.protocol import PROTOCOLS, ProtocolError, load_protocols
from model_tools.evaluation.thresholds import choose_thresholds

RED_BOX = (100, 200, 300, 400)
DATASET = load_protocols(['dataset'])


@pytest.fixture(scope='module')
def scene_labels(scene):
    """Return the true masks of the scene, half of the drivable one unknown, some lane missing."""
    drivable = np.where(scene[..., 1] > 127, 255, 0).astype(np.uint8)
    drivable[:, :640] = 127
    lane = np.where(scene[..., 0] > 127, 255, 0).astype(np.uint8)
    lane[:500] = 0  # the model sees lane there too
    return drivable, lane


@pytest.fixture(scope='module')
def drawn_folder(scene, scene_labels, tmp_path_factory):
    """Write the scene by day with boxes, the same by night with masks alone, and an empty one."""
    root = tmp_path_factory.mktemp('drawn')
    x1, y1, x2, y2 = RED_BOX
    cars = [
        {'category': 'car', 'box2d': {'x1': x1, 'y1': y1, 'x2': x2, 'y2': y2}},
        {'category': 'truck', 'box2d': {'x1': 700, 'y1': 10, 'x2': 800, 'y2': 60}},
    ]
    trust = {'drivable_label': 'real', 'lane_label': 'real'}
    for split in ('train', 'val'):
        for name, attributes in (
            ('a', {'timeofday': 'daytime', 'box_label': 'real', **trust}),
            ('b', {'timeofday': 'night', 'box_label': 'none', **trust}),
        ):
            record = {
                'attributes': {'source': 'drawn', 'group': name, **attributes},
                'frames': [{'objects': cars if name == 'a' else []}],
            }
            files = {
                ('images', '.jpg'): _encoded('.jpg', scene),
                ('da_seg_annotations', '.png'): _encoded('.png', scene_labels[0]),
                ('ll_seg_annotations', '.png'): _encoded('.png', scene_labels[1]),
                ('det_annotations', '.json'): json.dumps(record).encode(),
            }
            for (folder, suffix), content in files.items():
                path = root / folder / split / (name + suffix)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    return root


def _encoded(suffix, image):
    options = [cv2.IMWRITE_JPEG_QUALITY, 98] if suffix == '.jpg' else []
    return cv2.imencode(suffix, image, options)[1].tobytes()


@pytest.fixture(scope='module')
def predictor(tiny_model):
    return ModelFilePredictor(tiny_model)


@pytest.fixture(scope='module')
def evaluation(predictor, drawn_folder):
    return evaluate(predictor, open_data(drawn_folder), 'val', DATASET)


def test_evaluate__known_answers(evaluation, scene_labels):
    record = evaluation.record()
    everything = record['protocols']['dataset']['all']
    vehicle = everything['detection']['labels']['vehicle']
    assert everything['images'] == 2
    assert everything['detection']['images'] == 1
    assert vehicle['boxes'] == 2
    assert vehicle['ap50'] == pytest.approx(0.505, abs=1e-3)  # one of two, nothing false
    assert vehicle['at']['0.5'] == {'precision': 1.0, 'recall': 0.5, 'f1': 0.6667}
    assert everything['detection']['labels']['person']['ap50'] is None
    assert everything['drivable']['images'] == 2
    assert everything['drivable']['iou'] == pytest.approx(1.0, abs=0.02)
    lane = scene_labels[1]
    seen = (lane > 0).sum() + 8 * 60 + 40 * 120  # line above row 500, magenta person
    assert everything['lane']['iou'] == pytest.approx((lane > 0).sum() / seen, abs=0.02)
    assert everything['lane']['bands']['near'] == pytest.approx(220 / 240, abs=0.01)
    assert everything['lane']['bands']['far'] in (0, None)
    assert everything['lane']['tolerance']['recall'] == pytest.approx(1, abs=0.01)
    assert everything['lane']['tolerance']['px'] == 4
    assert 'direct' not in everything['drivable']  # the layout does not tell it apart
    assert everything['labels'] == {
        'boxes': ['real'],  # of the image that has them
        'drivable': ['real'],
        'lane': ['real'],
    }


def test_evaluate__slices(evaluation):
    protocol = evaluation.record()['protocols']['dataset']
    assert set(protocol['slices']) == {'source', 'timeofday'}
    assert protocol['slices']['source']['drawn'] == protocol['all']
    day, night = (protocol['slices']['timeofday'][k] for k in ('daytime', 'night'))
    assert day['detection'] == protocol['all']['detection']
    assert night['detection'] is None
    assert night['lane']['iou'] == day['lane']['iou']


def test_evaluate__record_names_settings_model_and_data(evaluation, predictor):
    record = evaluation.record()
    assert record['model']['sha256'] == predictor.describe()['sha256']
    assert record['data']['images'] == 2
    assert record['data']['label_set']['names'] == ['vehicle', 'person', 'cycle']
    assert record['data']['problems']['skipped'] == 0
    dataset = record['protocols']['dataset']
    assert dataset['settings']['match'] == 'coco'
    assert dataset['overrides'] == {
        'score_floor': {'protocol': 0.001, 'used': 0.05, 'why': 'fixed in the model file'},
        # Three labels share the 300 boxes of the file.
        'max_boxes': {'protocol': 300, 'used': 100, 'why': 'fixed in the model file'},
    }
    assert dataset['settings']['drivable_threshold'] == record['model']['thresholds']['drivable']
    json.dumps(record)


def test_evaluate__protocols_share_one_pass_and_equal_single_runs(predictor, drawn_folder):
    data = open_data(drawn_folder)
    together = evaluate(predictor, data, 'val', list(PROTOCOLS.values())).record()
    assert list(together['protocols']) == ['dataset', 'yolop', 'rmt_ppad']
    for name, protocol in PROTOCOLS.items():
        alone = evaluate(predictor, data, 'val', [protocol]).record()
        assert alone['protocols'][name] == together['protocols'][name]
    assert list(together['protocols']['yolop']['all']['detection']['labels']) == ['vehicle']
    assert together['protocols']['rmt_ppad']['settings']['lane_threshold'] == 0.9
    assert 'nms_iou' in together['protocols']['rmt_ppad']['overrides']


def test_evaluate__vehicle_label_set_drops_other_predictions(predictor, drawn_folder):
    data = open_data(drawn_folder, ReaderSettings(labels=VEHICLE))
    record = evaluate(predictor, data, 'val', DATASET).record()
    labels = record['protocols']['dataset']['all']['detection']['labels']
    assert list(labels) == ['vehicle']
    assert labels['vehicle']['ap50'] == pytest.approx(0.505, abs=1e-3)


def test_evaluate__label_that_the_set_lacks(predictor, drawn_folder):
    data = open_data(drawn_folder)
    with pytest.raises(ProtocolError, match=r"scores the labels \['tram'\]"):
        evaluate(predictor, data, 'val', load_protocols(['yolop'], {'labels': 'tram'}))


def test_evaluate__a_label_that_the_predictor_never_gives_has_no_score(drawn_folder):
    class OnlyCycles(OnlyLanes):
        labels = ('cycle', 'vehicle')
        tasks = frozenset({'detection'})

        def __call__(self, image, name):
            boxes, scores = np.array([RED_BOX], np.float32), np.array([0.9], np.float32)
            return Prediction(boxes, scores, np.array([1]), drivable=None, lane=None)

    data = open_data(drawn_folder)
    found = evaluate(OnlyCycles(), data, 'val', DATASET).record()['protocols']['dataset']['all']
    labels = found['detection']['labels']
    assert list(labels) == ['vehicle', 'cycle']  # no person
    assert labels['vehicle']['at']['0.5'] == {'precision': 1.0, 'recall': 0.5, 'f1': 0.6667}
    assert found['detection']['map50'] == labels['vehicle']['ap50']


def test_evaluate__no_label_in_common(predictor, drawn_folder, tmp_path):
    (tmp_path / 'cars.yaml').write_text('car: [car]')
    labels = load_label_set(str(tmp_path / 'cars.yaml'))
    data = open_data(drawn_folder, ReaderSettings(labels=labels))
    with pytest.raises(ProtocolError, match=r"labels \['car'\], but the predictor gives only"):
        evaluate(predictor, data, 'val', DATASET)


@pytest.mark.parametrize('form', ['images', 'boxes without masks'])
def test_evaluate__nothing_labelled(predictor, drawn_folder, tmp_path, form):
    data, split, answers = open_data(drawn_folder / 'images' / 'val'), 'all', predictor
    if form != 'images':
        for folder in ('images', 'det_annotations'):
            shutil.copytree(drawn_folder / folder, tmp_path / folder)
        data, split, answers = open_data(tmp_path), 'val', OnlyLanes()
    with pytest.raises(DatasetError, match=f'lane in split {split!r}, found none') as caught:
        evaluate(answers, data, split, DATASET)
    assert caught.value.kind == 'no_labels'


def test_evaluate__the_folder_that_one_stands_in_has_a_name(predictor, drawn_folder, monkeypatch):
    monkeypatch.chdir(drawn_folder / 'images')
    record = evaluate(predictor, open_data(Path('..')), 'val', DATASET).record()
    assert record['data']['name'] == drawn_folder.name


@pytest.mark.parametrize(
    ('setting', 'asked', 'used', 'why'),
    [
        ('score_floor', '0.01', 0.05, 'fixed in the model file'),
        ('score_floor', '0.95', 0.95, 'asked for'),
        ('max_boxes', '200', 100, 'fixed in the model file'),
        ('max_boxes', '7', 7, 'asked for'),
        ('nms_iou', '0.5', 0.6, None),  # the protocol's own again
    ],
)
def test_evaluate__a_model_file_can_only_be_cut_further(
    predictor, drawn_folder, setting, asked, used, why
):
    protocols = load_protocols(['dataset'], {setting: asked})
    record = evaluate(predictor, open_data(drawn_folder), 'val', protocols).record()
    protocol = record['protocols']['dataset']
    assert protocol['settings'][setting] == used
    assert protocol['overrides'].get(setting, {}).get('why') == why
    if asked == '0.95':  # above the score of every box
        assert protocol['all']['detection']['labels']['vehicle']['max_recall'] == 0


def test_evaluate__an_attribute_that_was_asked_for_is_never_dropped(predictor, drawn_folder):
    data = open_data(drawn_folder)
    record = evaluate(predictor, data, 'val', DATASET, slices=['wheather', 'group']).record()
    slices = record['protocols']['dataset']['slices']
    assert {key: list(values) for key, values in slices.items()} == {
        'source': ['drawn'],
        'timeofday': ['daytime', 'night'],
        'wheather': ['unknown'],
        'group': ['a', 'b'],
    }


def test_evaluate__masks_without_probabilities_have_no_curves(drawn_folder):
    class Decided(OnlyLanes):
        def describe(self):
            return {**super().describe(), 'fixed': {'lane_threshold': 0.5}}

    evaluation = evaluate(Decided(), open_data(drawn_folder), 'val', DATASET)
    assert evaluation.record()['curves'] == {
        'precision_recall': {},
        'calibration': {},
        'sweep': {},
    }


def test_evaluate__selection_of_nothing(predictor, drawn_folder):
    with pytest.raises(DatasetError, match="expected images to score in split 'val'"):
        evaluate(predictor, Subset(open_data(drawn_folder), 'val', []), 'val', DATASET)


class OnlyLanes:
    """A specialist that finds lanes everywhere."""

    labels = ('vehicle',)
    tasks = frozenset({'lane'})

    def __call__(self, image, name):
        nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)
        return Prediction(*nothing, drivable=None, lane=np.full((9, 16), 255, np.uint8))

    def describe(self):
        return {'kind': 'specialist', 'name': 'lanes', 'fixed': {}}


def test_evaluate__a_task_that_the_predictor_lacks_has_no_score(drawn_folder, scene_labels):
    evaluation = evaluate(OnlyLanes(), open_data(drawn_folder), 'val', DATASET)
    everything = evaluation.record()['protocols']['dataset']['all']
    assert everything['detection'] is None
    assert everything['drivable'] is None
    assert everything['lane']['iou'] == pytest.approx((scene_labels[1] > 0).mean(), abs=1e-3)
    assert set(evaluation.record()['curves']['sweep']) == {'lane'}
    tiles = extreme_tiles(evaluation, OnlyLanes(), open_data(drawn_folder))
    assert {tile.task for tile in tiles} == {'lane'}


def test_choose_thresholds__score_of_the_last_true_box(predictor, drawn_folder):
    part = held_out_part(open_data(drawn_folder), ['a'], max_skipped=0)
    held_out = evaluate(predictor, part, 'train', DATASET)
    thresholds = choose_thresholds(held_out)
    assert thresholds['score'] == pytest.approx(0.9, abs=0.01)
    assert 0 < thresholds['drivable'] < 1


def test_choose_thresholds__only_of_labelled_tasks(drawn_folder):
    held_out = evaluate(OnlyLanes(), open_data(drawn_folder), 'train', DATASET)
    assert set(choose_thresholds(held_out)) == {'lane'}


def test_extreme_tiles__best_and_worst_of_each_task(evaluation, predictor, drawn_folder):
    tiles = extreme_tiles(evaluation, predictor, open_data(drawn_folder))
    assert [(t.task, t.kind, t.name) for t in tiles] == [
        ('detection', 'worst', 'a'),
        ('drivable', 'worst', 'a'),
        ('drivable', 'worst', 'b'),
        ('lane', 'worst', 'a'),
        ('lane', 'worst', 'b'),
    ]
    # One of two cars, and a person and a cycle that nobody labelled.
    scores = image_scores(evaluation.counts[0], 'detection', 0.5)
    np.testing.assert_allclose(scores, [2 / 5, np.nan])
    assert tiles[0].score == pytest.approx(2 / 5)


def test_protocol_counts__the_mask_that_is_drawn_is_the_one_that_is_scored(drawn_folder):
    sample = next(read_samples(open_data(drawn_folder), 'val', Problems(2)))
    sample = replace(sample, drivable_direct=np.zeros_like(sample.drivable))
    for choice, expected in (('merged', sample.drivable), ('direct', sample.drivable_direct)):
        (protocol,) = load_protocols(['dataset'], {'drivable': choice})
        counts = ProtocolCounts(
            protocol, truth_labels=('vehicle',), found_labels=(), tasks=frozenset({'drivable'})
        )
        assert counts.mask(sample, 'drivable') is expected
        assert counts.mask(sample, 'lane') is sample.lane


def test_merge_records__protocols_of_all(evaluation):
    record = evaluation.record()
    other = {**record, 'protocols': {'yolop': {'all': {}}}}
    assert list(merge_records([record, other])['protocols']) == ['dataset', 'yolop']
