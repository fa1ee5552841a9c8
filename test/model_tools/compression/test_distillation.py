# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from model_tools.compression.adapters import Adapted, make_adapters, select_channels
from model_tools.compression.distillation import Distillation, Distiller
from model_tools.settings import ConfigError


@pytest.fixture
def net(make_net):
    return make_net(0)


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'wieght': 1}, r"distillation: unknown keys \['wieght'\]; known: "),
        ({'teacher': 3}, 'distillation.teacher is 3, expected a path'),
        ({'unlabelled': 1}, 'distillation.unlabelled is 1'),
        ({'weight': -1}, 'distillation.weight is -1, expected a number of at least 0'),
        ({'weight': True}, 'distillation.weight is True'),
        ({'mask_logits': float('nan')}, 'distillation.mask_logits is nan'),
        ({'box_quality': 'high'}, "distillation.box_quality is 'high'"),
        ({'adapters': 'identity'}, "distillation.adapters is 'identity', expected 'selection'"),
    ],
)
def test_distillation__refuses(values, message):
    with pytest.raises(ConfigError, match=message):
        Distillation.from_dict(values)


def test_distillation__nothing_given():
    assert Distillation.from_dict({}) == Distillation()


def distiller(net, **settings):
    adapters = make_adapters(net, net)
    select_channels(adapters, {})
    return Distiller(Distillation(**settings), net, adapters)


def test_distiller__weight_is_set_by_the_first_batch_with_labels(net):
    teacher = distiller(net)
    half, none, two = torch.tensor(0.5), torch.tensor(0.0), torch.tensor(2.0)
    assert teacher.weight(half, none, 0.0) == 0.0  # no task is labelled
    assert teacher.weight(half, two, 0.0) == pytest.approx(0.8)  # 0.8 x 0.5 is 20 % of 2
    assert teacher.weight(two, half, 0.0) == pytest.approx(0.8)
    assert distiller(net).weight(none, two, 0.0) == pytest.approx(40)  # of a distance of 0.01


@pytest.mark.parametrize(
    ('progress', 'share'), [(0, 1), (0.5, 1), (2 / 3, 1), (0.75, 0.75), (11 / 12, 0.25), (1, 0)]
)
def test_distiller__weight_falls_over_the_last_third(net, progress, share):
    weight = distiller(net, weight=3.0).weight(torch.tensor(1.0), torch.tensor(9.0), progress)
    assert weight == pytest.approx(3 * share)


def test_distiller__state_goes_on(net):
    first, second = distiller(net), distiller(net)
    weight = first.weight(torch.tensor(0.5), torch.tensor(2.0), 0.0)
    with torch.no_grad():
        first.adapters['C4'].weight += 1.0
    second.restore(first.state())
    assert second.weight(torch.tensor(9.0), torch.tensor(9.0), 0.0) == weight
    assert torch.equal(second.adapters['C4'].weight, first.adapters['C4'].weight)


def test_distiller__teacher_answers_as_when_it_was_trained(net, images):
    teacher = distiller(net.train())
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    answer = teacher.ask(images)
    assert not any(feature.requires_grad for feature in answer.features.values())
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize(
    ('settings', 'reaches_heads'),
    [({}, False), ({'mask_logits': 1.0}, True), ({'box_quality': 1.0}, True)],
)
def test_distiller__heads_learn_from_it_only_if_asked_to(
    net, make_net, images, settings, reaches_heads
):
    teacher, student = distiller(net, **settings), make_net(5)
    answer = Adapted(student, teacher.adapters)(images)
    distance = teacher.distance(answer, teacher.ask(images), reduce=lambda sums: sums)
    assert distance > 0.1
    distance.backward()
    assert student.backbone.stem[0].weight.grad.abs().max() > 0
    heads = (student.detection.class_logits[0], student.drivable.logit, student.lane.logit)
    assert any(head.weight.grad is not None for head in heads) == reaches_heads
    assert teacher.adapters['P5'].weight.grad.abs().max() > 0


@pytest.mark.parametrize('settings', [{}, {'mask_logits': 2.0, 'box_quality': 3.0}])
def test_distiller__its_own_copy_is_at_no_distance(net, images, settings):
    teacher = distiller(net, **settings)
    with torch.no_grad():
        answer = Adapted(net, teacher.adapters)(images)
    distance = teacher.distance(answer, teacher.ask(images), reduce=lambda sums: sums)
    assert distance.item() == pytest.approx(0, abs=1e-3)
