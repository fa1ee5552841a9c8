# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json

from onnx import helper


def test_info__table(panoptic, tiny_model):
    done = panoptic('info', tiny_model)
    assert done.returncode == 0
    rows = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert rows['labels'] == 'vehicle, person, cycle'
    assert rows['input.width'] == '640'
    assert rows['thresholds.score'] == '0.3'
    assert rows['checks'].startswith('passed')


def test_info__json(panoptic, tiny_model):
    facts = json.loads(panoptic('info', tiny_model, '--json').stdout)
    content = tiny_model.read_bytes()
    assert facts['sha256'] == hashlib.sha256(content).hexdigest()
    assert facts['size_bytes'] == len(content)
    assert facts['schema'] == 1
    assert facts['labels'] == ['vehicle', 'person', 'cycle']
    assert facts['input'] == {'height': 384, 'width': 640, 'pad_value': 114}
    assert facts['thresholds'] == {'score': 0.3, 'drivable': 0.5, 'lane': 0.5}
    assert facts['provenance'] == {'origin': 'test fixture'}


def test_info__a_shipped_model_by_its_name(panoptic):
    facts = json.loads(panoptic('info', 'panoptic_fast_int8.onnx', '--json').stdout)
    assert facts['precision'] == 'int8'


def test_info__a_model_that_breaks_the_contract(panoptic, make_model):
    path = make_model(lambda model: helper.set_model_props(model, {}), name='bare.onnx')
    done = panoptic('info', path)
    assert (done.returncode, done.stdout) == (2, '')
    assert str(path) in done.stderr
    assert 'panoptic.schema' in done.stderr
