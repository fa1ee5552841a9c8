# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import numpy as np
import pytest

from panoptic_perception.core.machine import describe_machine, read_cpuinfo

X86 = """\
processor\t: 0
model name\t: Some CPU @ 2.60GHz
flags\t\t: fpu sse avx2 avx512f avx512_vnni amx_int8

processor\t: 1
model name\t: Another CPU
flags\t\t: fpu
"""
ARM = """\
processor\t: 0
Features\t: fp asimd evtstrm asimdhp asimddp
CPU part\t: 0xd42
"""


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('', ('', [])),
        ('no colon here', ('', [])),
        (X86, ('Some CPU @ 2.60GHz', ['avx2', 'avx512f', 'avx512_vnni', 'amx_int8'])),
        (ARM, ('', ['asimd', 'asimdhp', 'asimddp'])),
    ],
)
def test_read_cpuinfo(text, expected):
    assert read_cpuinfo(text) == expected


def test_describe_machine():
    machine = describe_machine()
    assert machine['cpu']
    assert machine['cores'] >= 1
    assert len(machine['load_average']) == 3
    assert machine['versions']['numpy'] == np.__version__
    assert json.loads(json.dumps(machine)) == machine
