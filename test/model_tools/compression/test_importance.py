# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from model_tools.compression.groups import ChannelGroup, Member, find_groups
from model_tools.compression.importance import EvidenceError, filters, gather_evidence


def gate():
    """Return an identity, then a norm of scale 2 and shift 1; one channel."""
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1, eps=0.0))
    nn.init.ones_(net[0].weight)
    nn.init.constant_(net[1].weight, 2.0)
    nn.init.constant_(net[1].bias, 1.0)
    return net


FIRST = torch.tensor([0])
GATE = ChannelGroup('0', (Member('0', 'out', FIRST), Member('1', 'norm', FIRST)), 1)
BARE = ChannelGroup('0', (Member('0', 'out', FIRST),), 1)
PIXELS = torch.tensor([[[[1.0, -1.0]]]])
SLOPES = torch.tensor([[[[0.5, 0.25]]]])


def linear_losses(net, factors):
    """Return losses whose gradient by the output is (0.5, 0.25) times each task's factor."""
    output = net(PIXELS)
    return {task: factor * (output * SLOPES).sum() for task, factor in factors.items()}


def gather(batches, *, net=None, groups=(GATE,), losses=linear_losses, tasks=('a', 'b')):
    return gather_evidence(net or gate(), groups, batches, losses, tasks=tasks)


def test_gather_evidence__norm_worked_by_hand():
    # a = (3, -1): 3 x 0.5 - 1 x 0.25 = 1.25, and 2 dgamma + 1 dbeta = 2 x 0.25 + 0.75 = 1.25
    evidence = gather([{'a': 1.0, 'b': -2.0}])
    assert evidence.importance['a']['0'].tolist() == [1.25]
    assert evidence.importance['b']['0'].tolist() == [2.5]
    assert evidence.summed['0'].tolist() == [1.25]
    assert evidence.conflict['0'].tolist() == [0.5]  # slopes g and -2 g: 2 |g|^2 / 4 |g|^2
    assert evidence.batches == {'a': 1, 'b': 1}


def test_gather_evidence__signs_do_not_cancel_between_batches_but_between_tasks():
    evidence = gather([{'a': 1.0, 'b': -1.0}, {'a': -1.0, 'b': 1.0}])
    assert evidence.importance['a']['0'].tolist() == [1.25]
    assert evidence.summed['0'].tolist() == [0]
    assert evidence.conflict['0'].tolist() == [1]


def test_gather_evidence__partly_labelled_batches():
    evidence = gather([{}, {'a': 1.0}, {'a': 3.0, 'b': -3.0}, {'b': -1.0}, {'b': -1.0}])
    assert evidence.batches == {'a': 2, 'b': 3}
    assert evidence.importance['a']['0'].item() == pytest.approx(1.25 * (1 + 3) / 2)
    assert evidence.importance['b']['0'].item() == pytest.approx(1.25 * (3 + 1 + 1) / 3)
    assert evidence.summed['0'].item() == pytest.approx(1.25 * (1 + 0 + 1 + 1) / 4)
    assert evidence.conflict['0'].tolist() == [1]


def test_gather_evidence__tasks_never_labelled_together_have_no_conflict():
    evidence = gather([{'a': 1.0}, {'b': -1.0}])
    assert evidence.conflict['0'].tolist() == [0]


def test_gather_evidence__without_a_norm_filters_and_biases_are_the_gates():
    net = nn.Sequential(nn.Conv2d(1, 1, 1))
    nn.init.constant_(net[0].weight, 2.0)
    nn.init.constant_(net[0].bias, 1.0)
    evidence = gather([{'a': 1.0}], net=net, groups=(BARE,), tasks=('a',))
    assert evidence.importance['a']['0'].tolist() == [1.25]


def test_gather_evidence__equals_output_times_gradient_of_all_norms():
    torch.manual_seed(0)
    net = nn.ModuleDict(
        {name: nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)) for name in ('left', 'right')}
    ).eval()
    for branch in net.values():
        for value in (branch[1].weight, branch[1].bias, branch[1].running_mean):
            nn.init.normal_(value)
    index = torch.tensor([4, 0, 2])
    members = [Member(f'{n}.{i}', s, index) for n in net for i, s in enumerate(('out', 'norm'))]
    image = torch.randn(2, 3, 8, 8)
    outputs = []

    def losses(_net, batch):
        outputs[:] = [branch(batch) for branch in net.values()]
        return {'a': (outputs[0].relu() + outputs[1].relu()).square().mean()}

    group = ChannelGroup('left.0', tuple(members), 3)
    evidence = gather([image], net=net, groups=(group,), losses=losses, tasks=('a',))
    loss = losses(net, image)['a']
    by_output = torch.autograd.grad(loss, outputs)
    terms = [(a * g).sum((0, 2, 3)) for a, g in zip(outputs, by_output, strict=True)]
    expected = (terms[0] + terms[1]).abs()[index]
    torch.testing.assert_close(evidence.importance['a']['left.0'], expected.detach())


def test_gather_evidence__leaves_the_network_as_it_was():
    net = gate().train()
    net[1].eval()
    net[0].weight.requires_grad_(False)
    net[1].weight.grad = torch.tensor([7.0])
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with torch.no_grad():
        evidence = gather([{'a': 1.0, 'b': 1.0}] * 2, net=net)
    assert evidence.importance['a']['0'].tolist() == [1.25]
    assert [m.training for m in net.modules()] == [True, True, False]
    assert [p.requires_grad for p in net.parameters()] == [False, True, True]
    assert net[1].weight.grad.tolist() == [7]
    assert net[0].weight.grad is None
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    ('batches', 'groups', 'message'),
    [
        ([], (GATE,), r"no calibration batch labels \['a', 'b'\]"),
        ([{'a': 1.0}], (GATE,), r"no calibration batch labels \['b'\]"),
        ([{'a': 1.0, 'c': 1.0}], (GATE,), r"losses of \['c'\], expected only \['a', 'b'\]"),
        ([{'a': 1.0, 'b': float('nan')}], (GATE,), r"gradients of \['b'\] are not finite"),
        ([{'a': 1.0, 'b': 1.0}], (), 'no channel group'),
    ],
)
def test_gather_evidence__refused(batches, groups, message):
    with pytest.raises(EvidenceError, match=message):
        gather(batches, groups=groups)


@pytest.mark.parametrize(
    ('layer', 'shape'),
    [
        (nn.Conv2d(4, 6, 3), (6, 36)),
        (nn.Conv2d(6, 6, 3, groups=6), (6, 9)),
        (nn.Linear(4, 6), (6, 4)),
        (nn.ConvTranspose2d(4, 6, 2), (6, 16)),
        (nn.ConvTranspose2d(6, 6, 2, groups=6), (6, 4)),
    ],
)
def test_filters__one_row_an_output_channel(layer, shape):
    assert filters(layer, layer.weight).shape == shape
    assert filters(layer, layer.bias).shape == (6, 1)


def test_filters__of_a_transposed_convolution_make_one_channel_each():
    layer = nn.ConvTranspose2d(4, 6, 2)
    made = layer(torch.ones(1, 4, 1, 1))[0]
    expected = filters(layer, layer.weight).view(6, 4, 2, 2).sum(1)
    torch.testing.assert_close(made - layer.bias[:, None, None], expected)


class HalfNormed(nn.Module):
    """Channel 0 speaks through the norm, channel 1 through the convolution without one."""

    def __init__(self):
        super().__init__()
        self.a, self.norm = nn.Conv2d(1, 2, 1, bias=False), nn.BatchNorm2d(2, eps=0.0)
        self.b, self.head = nn.Conv2d(1, 2, 1, bias=False), nn.Conv2d(2, 1, 1, bias=False)
        with torch.no_grad():
            self.a.weight.copy_(torch.tensor([1.0, 0.0]).reshape(2, 1, 1, 1))
            self.b.weight.copy_(torch.tensor([0.0, 2.0]).reshape(2, 1, 1, 1))
            self.head.weight.fill_(1.0)

    def forward(self, x):
        return self.head(self.norm(self.a(x)) + self.b(x))


def test_gather_evidence__terms_of_a_sum_with_and_without_a_norm():
    net = HalfNormed()
    (group,) = find_groups(net, PIXELS, protected=['head'])
    evidence = gather([{'a': 1.0}], net=net, groups=[group], tasks=('a',))
    # 1 x 0.5 - 1 x 0.25, and twice as much
    assert evidence.importance['a'][group.name].tolist() == [0.25, 0.5]
