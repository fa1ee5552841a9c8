# SPDX-License-Identifier: Apache-2.0
from dataclasses import asdict, replace

import pytest
import yaml

from model_tools.data.augmentation import TRAINING, Augmentation


@pytest.mark.parametrize(
    ('values', 'expected'),
    [
        ({}, TRAINING),
        ({'mosaic': 0}, replace(TRAINING, mosaic=0)),
        ({'scale': [0.5, 2]}, replace(TRAINING, scale=(0.5, 2))),
    ],
)
def test_from_dict__changes_the_training_default(values, expected):
    assert Augmentation.from_dict(values) == expected


def test_from_dict__reads_what_yaml_wrote():
    written = yaml.safe_dump({**asdict(TRAINING), 'scale': list(TRAINING.scale)})
    assert Augmentation.from_dict(yaml.safe_load(written)) == TRAINING


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ({'mosiac': 0.3, 'hail': 1}, r"unknown keys \['hail', 'mosiac'\]; known: \['scale'"),
        ({'hail': 1, 3: 1}, r"unknown keys \['3', 'hail'\]"),
        ({'night': 1.2}, 'night is 0 to 1, found 1.2'),
        ({'flip': -0.1}, 'flip is 0 to 1, found -0.1'),
        ({'fog': 'often'}, "fog is 0 to 1, found 'often'"),
        ({'rain': True}, 'rain is 0 to 1, found True'),
        ({'blur': float('nan')}, 'blur is 0 to 1, found nan'),
        ({'rotate': 90}, 'rotate is 0 to 45, found 90'),
        ({'scale': 1.5}, 'least and the greatest zoom, two numbers of 0.1 to 10, found 1.5'),
        ({'scale': [1.5, 0.5]}, r'two numbers of 0.1 to 10, found \(1.5, 0.5\)'),
        ({'scale': [0.5]}, 'two numbers'),
        ({'scale': [0, 1]}, 'two numbers'),
        ({'scale': ['a', 1]}, 'two numbers'),
    ],
)
def test_from_dict__refuses(values, words):
    with pytest.raises(ValueError, match=f'^augmentation: .*{words}'):
        Augmentation.from_dict(values)
