# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np

from model_tools.evaluation.experts.machine import describe_machine


def test_describe_machine():
    machine = describe_machine()
    assert machine['cpu']
    assert machine['cores'] >= 1
    assert len(machine['load_average']) == 3
    assert machine['versions']['numpy'] == np.__version__
    assert json.loads(json.dumps(machine)) == machine
