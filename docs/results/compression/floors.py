# SPDX-License-Identifier: Apache-2.0
"""
Tell how little time is left when every group of a teacher has no more channels than its floor.

python docs/results/compression/floors.py model_tools/weights/teacher.pt 640 384
"""

import sys
from pathlib import Path

import torch

from model_tools.compression.groups import find_groups
from model_tools.compression.latency import LatencyTable
from model_tools.compression.selection import Widths, select
from model_tools.compression.surgery import protected_modules, remove_channels
from model_tools.networks.activations import with_activation
from model_tools.training.checkpoint import load_network


def main() -> None:
    """Print shares of the teacher's time, as sums over measured layers."""
    path, input_wh = Path(sys.argv[1]), (int(sys.argv[2]), int(sys.argv[3]))
    teacher = load_network(path).eval()
    example = torch.zeros(1, 3, *input_wh[::-1])
    groups = find_groups(teacher, example, protected=protected_modules(teacher))
    lowest = select({g.name: torch.zeros(g.size) for g in groups}, torch.inf, Widths())
    nets = {'teacher': teacher, 'floors': remove_channels(teacher, groups, lowest, example)}
    nets |= {f'{name}, ReLU': with_activation(net, 'relu') for name, net in nets.items()}
    table = LatencyTable(None, input_wh=input_wh)
    table.measure(*nets.values())
    for name, net in nets.items():
        print(f'{name}: {table(net) / table(teacher):.2f}')


if __name__ == '__main__':
    main()
