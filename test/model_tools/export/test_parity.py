# SPDX-License-Identifier: Apache-2.0
import copy
from dataclasses import replace

import pytest
import torch

from model_tools.data.problems import Problems
from model_tools.data.readers import open_data
from model_tools.export import parity as module
from model_tools.export.model_file import write_model_file
from model_tools.export.parity import (
    BOX_LIMIT,
    SCORE_LIMIT,
    Parity,
    ParityError,
    check_parity,
)
from model_tools.networks.panoptic_net import PanopticNet
from panoptic_perception.engines import load_engine

INPUT_WH = (160, 96)


@pytest.fixture(scope='module')
def images(road_folder):
    data = open_data(road_folder)
    return [data.read('train', name, Problems(3)).image for name in data.names('train')[:3]]


@pytest.fixture(scope='module', params=[False, True], ids=['', 'attention'])
def net(small_network, request):
    torch.manual_seed(3)
    net = PanopticNet(replace(small_network, attention=request.param)).eval()
    with torch.no_grad():
        for logits in net.detection.class_logits:  # scores of 0.27, 0.18 and 0.12
            logits.bias.copy_(torch.tensor([-1.0, -1.5, -2.0]))
    return net


def _write(net, path):
    neutral = {'score': 0.3, 'drivable': 0.5, 'lane': 0.5}
    return write_model_file(
        net, path, input_wh=INPUT_WH, thresholds=neutral, provenance={}, metrics={}
    )


@pytest.fixture(scope='module')
def file(net, tmp_path_factory):
    return _write(net, tmp_path_factory.mktemp('export') / 'net.onnx')


def test_check_parity__file_says_what_the_network_says(net, file, images):
    parity = check_parity(net, file, images)
    assert parity.images == 3
    assert parity.boxes > 30
    assert 0 < parity.box_px < BOX_LIMIT
    assert 0 < parity.score < SCORE_LIMIT
    assert parity.mask_levels <= 1
    assert parity.lost_boxes == 0
    assert 0 < parity.own_score < SCORE_LIMIT / 2
    assert parity.own_box_px < BOX_LIMIT / 2
    assert next(net.parameters()).dtype == torch.float32


@pytest.mark.parametrize(
    ('part', 'change', 'over'),
    [
        (lambda net: net.detection.box_distances[0].bias, 4e-4, 'box_px'),
        (lambda net: net.detection.class_logits[0].bias, 2e-4, 'score'),
        (lambda net: net.drivable.logit.bias, 0.05, 'mask_levels'),
        (lambda net: net.lane.logit.bias, 0.05, 'mask_levels'),
    ],
    ids=['boxes', 'scores', 'drivable', 'lane'],
)
def test_check_parity__a_slightly_other_network_is_refused(
    net, file, images, monkeypatch, part, change, over
):
    other = copy.deepcopy(net)
    with torch.no_grad():
        part(other).add_(change)
    with pytest.raises(ParityError, match='does not say what the network says'):
        check_parity(other, file, images)
    monkeypatch.setattr(Parity, 'holds', lambda self: True)
    parity = check_parity(other, file, images)
    limits = {'box_px': BOX_LIMIT, 'score': SCORE_LIMIT, 'mask_levels': 1}
    assert [name for name, limit in limits.items() if getattr(parity, name) > limit] == [over]
    assert parity.lost_boxes == 0


def test_check_parity__another_network_is_refused(small_network, file, images):
    with pytest.raises(ParityError):
        check_parity(PanopticNet(small_network), file, images)


@pytest.mark.parametrize(
    'kept',
    [slice(0, 0), slice(1, None), slice(None, -1)],
    ids=['none', 'all but the first', 'all but the last'],
)
def test_check_parity__missing_boxes_are_noticed(net, file, images, monkeypatch, kept):
    class ForgetfulEngine:
        def __init__(self, path, **options):
            self.run_all = load_engine(path, **options).run

        def run(self, images):
            found = self.run_all(images)
            rows = {name: getattr(found, name)[kept] for name in ('boxes', 'scores', 'labels')}
            return replace(found, **rows)

    monkeypatch.setattr(module, 'load_engine', ForgetfulEngine)
    with pytest.raises(ParityError, match=r'; [1-9]\d* boxes are missing'):
        check_parity(net, file, images[:1])


@pytest.mark.parametrize(
    ('scores', 'margin', 'lost'),
    [
        ([], 1e-5, 0),
        ([0.3], 1e-5, 0),
        ([0.5], 1e-5, 1),
        ([0.4 + 2e-5], 1e-5, 1),
        ([0.4 + 2e-5], 4e-5, 0),
        ([0.4 + 2e-5, 0.5], 4e-5, 1),
    ],
)
def test_lost_boxes__rounding_may_change_who_comes_last(scores, margin, lost):
    """The file returns as many boxes as it may, the worst at 0.4; none overlaps another."""
    boxes = torch.tensor([[100.0 * i, 0.0, 100.0 * i + 50, 50.0] for i in range(len(scores))])
    kept = torch.tensor([[0.0, 100.0, 50.0, 150.0], [100.0, 100.0, 150.0, 150.0]])
    kept_scores = torch.tensor([0.6, 0.4])
    found = module._lost_boxes(
        boxes.view(-1, 4), torch.tensor(scores), kept, kept_scores, most=2, margin=margin
    )
    assert found == lost


@pytest.mark.parametrize(
    ('returned', 'lost'),
    [
        ([20.0 - 2e-5, -70.0, 20.0, 72.0], 0),
        ([20.0, -70.0, 20.0, 72.0], 0),
        ([20.0 + 0.1, -70.0, 20.1, 72.0], 1),
        ([20.0, -60.0, 20.0, 72.0], 1),
    ],
    ids=['rounded', 'of no width', 'another', 'another height'],
)
def test_lost_boxes__a_box_next_to_nothing_wide_is_known_by_its_sides(returned, lost):
    exact = torch.tensor([[20.0 - 1e-6, -70.0, 20.0, 72.0]], dtype=torch.float64)
    score = torch.tensor([0.8])
    kept = torch.tensor([returned])
    assert module._lost_boxes(exact, score, kept, score, most=100, margin=1e-5) == lost


def test_check_parity__values_that_are_not_finite(net, file, images):
    broken = copy.deepcopy(net)
    with torch.no_grad():
        broken.lane.logit.bias.fill_(torch.nan)
    with pytest.raises(ParityError, match='not finite'):
        check_parity(broken, file, images)


def test_parity__sum_of_two():
    both = Parity(1, 20, 1e-4, 3e-6, 0, 1, 5e-4, 1e-7) | Parity(2, 5, 2e-4, 1e-6, 1, 0, 1e-4, 2e-7)
    assert both == Parity(3, 25, 2e-4, 3e-6, 1, 1, 5e-4, 2e-7)
    assert '25 boxes of 3 images differ by at most 2.0e-04 px (in torch in float32: 5' in str(both)


def test_parity__without_boxes_says_that_none_was_compared():
    text = str(Parity(images=3, mask_levels=1))
    assert text == (
        'no box was compared, as the file returns none for 3 images, masks differ by at most 1 of '
        '255 levels; 0 boxes are missing'
    )


@pytest.mark.parametrize(
    ('parity', 'holds'),
    [
        (Parity(), True),
        (Parity(box_px=1e-3, score=1e-5, mask_levels=1), True),
        (Parity(box_px=1.1e-3), False),
        (Parity(box_px=4.7e-3, own_box_px=1.2e-3), True),
        (Parity(box_px=4.9e-3, own_box_px=1.2e-3), False),
        (Parity(score=1.1e-5), False),
        (Parity(score=4.7e-5, own_score=1.2e-5), True),
        (Parity(score=1.1e-5, own_box_px=1.0), False),
        (Parity(mask_levels=2), False),
        (Parity(lost_boxes=1), False),
    ],
)
def test_parity__holds_within_the_limits_or_what_float32_needs(parity, holds):
    assert parity.holds() is holds
