# SPDX-License-Identifier: Apache-2.0
"""The example in docs/compression.md of a network that is not ours."""

import re
from pathlib import Path

import torch

PAGE = Path(__file__).parents[2] / 'docs' / 'compression.md'


def test_documented_example__halves_a_network_of_ones_own():
    torch.manual_seed(0)
    (code,) = re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.DOTALL)
    written = [line for line in code.splitlines() if line.strip()]
    assert len(written) < 40
    names: dict = {}
    exec(compile(code, str(PAGE), 'exec'), names)
    small, net, macs = names['small'], names['net'], names['macs']
    assert 0.3 * macs(net) < macs(small) <= 0.5 * macs(net)
    first, second = small.first.out_channels, small.second.out_channels
    assert first < 32 or second < 64
    assert small.second.in_channels == small.norm1.num_features == first
    assert small.depth.in_channels == small.edges.in_channels == second
    assert [tuple(out.shape) for out in small(names['image'])] == [(2, 1, 32, 32)] * 2
