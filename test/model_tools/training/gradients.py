# SPDX-License-Identifier: Apache-2.0
"""Save the gradients of one step, made by one process or by several.

usage: gradients.py PROCESSES OUT.pt
"""

import sys

import torch
from torch.optim.swa_utils import update_bn

from model_tools.compression.adapters import make_adapters
from model_tools.compression.distillation import Distillation, Distiller
from model_tools.data.batches import Batch
from model_tools.networks.config import NetworkConfig
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.training.config import TrainingConfig
from model_tools.training.learner import Learner
from model_tools.training.processes import make_fabric

IMAGES = 16
WH = (96, 64)


def whole_batch():
    """Return images of unlike kind: no object, a crowd, no complete boxes, no masks."""
    generator = torch.Generator().manual_seed(5)

    def random(*shape):
        return torch.rand(shape, generator=generator)

    counts = [i % 4 for i in range(IMAGES)]
    corners = [random(n, 2) * 40 for n in counts]
    known = random(IMAGES, 2, WH[1] // 2, WH[0] // 2) < 0.8
    known[::3] = False
    return Batch(
        images=(random(IMAGES, 3, WH[1], WH[0]) * 255).to(torch.uint8),
        boxes=[torch.cat((c, c + 8 + 16 * random(len(c), 2)), 1) for c in corners],
        labels=[(random(n) * 3).long() for n in counts],
        crowd=[random(n) < 0.3 for n in counts],
        complete=[i % 5 > 0 for i in range(IMAGES)],
        masks=(random(IMAGES, 2, WH[1] // 2, WH[0] // 2) * 255).to(torch.uint8),
        known=known,
    )


def part(batch, rank, world):
    """Return the share of one process."""
    size = IMAGES // world
    chosen = slice(rank * size, (rank + 1) * size)
    return Batch(**{name: values[chosen] for name, values in vars(batch).items()})


def main(processes, out):
    torch.set_num_threads(1)
    torch.manual_seed(3)
    network = NetworkConfig(
        backbone_widths=(8, 8, 16, 16, 32),
        backbone_depths=(1, 1, 1, 1),
        detection_width=16,
        segmentation_width=16,
    )
    config = TrainingConfig(
        data='d',
        input_wh=WH,
        network=network,
        precision='32-true',
        task_weights='learned',
        clip_norm=1e9,
    )
    fabric = make_fabric(config.precision, processes, 1)
    fabric.launch()
    net, teacher = PanopticNet(network), PanopticNet(network)
    for untrained in (net, teacher):  # whose deep features would hardly vary
        update_bn([whole_batch().images.float()], untrained)
    settings = Distillation(weight=1.0, mask_logits=0.5, box_quality=0.5)
    adapters = make_adapters(net, teacher)
    learner = Learner(fabric, config, net, [], Distiller(settings, teacher, adapters))
    batch = part(whole_batch(), fabric.global_rank, fabric.world_size)
    values = learner.learn(batch, 0, rate_factor=1.0)
    assert fabric.world_size == processes
    gradients = {name: p.grad for name, p in net.named_parameters()}
    gradients |= {name: p.grad for name, p in adapters.named_parameters()}
    gradients['log_variance'] = learner.task_weights.log_variance.grad
    if fabric.is_global_zero:
        statistics = dict(net.named_buffers())
        torch.save({'values': values, 'gradients': gradients, 'statistics': statistics}, out)


if __name__ == '__main__':
    main(int(sys.argv[1]), sys.argv[2])
